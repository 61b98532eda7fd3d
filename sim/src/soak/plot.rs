//! Lines over time as a picture in SVG: one panel below the other, each with its bound.

/// What is drawn in a panel.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is, with its unit.
    pub name: &'static str,
    /// What it must not pass.
    pub bound: Option<f64>,
    /// Minutes, and what was seen then.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const PANEL: f64 = 130.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 20.0;

/// The picture.
pub fn plot(title: &str, series: &[Series]) -> String {
    let height = PANEL * u32::try_from(series.len()).map_or(1.0, f64::from) + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"16\" \
         font-size=\"13\">{title}</text>\n"
    );
    let mut top = 20.0;
    for series in series {
        panel(&mut svg, series, top);
        top += PANEL;
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, series: &Series, top: f64) {
    let (x_max, y_seen) = series.points.iter().fold((0.0_f64, 0.0_f64), |(x, y), p| (x.max(p.0), y.max(p.1)));
    let y_max = (y_seen.max(series.bound.unwrap_or(0.0)) * 1.1).max(1.0);
    let (low, high) = (top + PANEL - BOTTOM, top + TOP);
    let place = |(x, y): (f64, f64)| {
        let across = LEFT + (WIDTH - LEFT - 10.0) * x / x_max.max(f64::MIN_POSITIVE);
        (across, low - (low - high) * y / y_max)
    };
    let right = WIDTH - 10.0;
    let told = format!("{}: at most {y_seen:.0}", series.name);
    let mut line = |text: String| {
        svg.push_str(&text);
        svg.push('\n');
    };
    line(format!("<text x=\"{LEFT}\" y=\"{:.1}\">{told}</text>", top + 16.0));
    line(format!("<path d=\"M{LEFT} {high:.1}V{low:.1}H{right}\" fill=\"none\" stroke=\"#888\"/>"));
    for y in [0.0, y_max / 2.0, y_max] {
        let (_, at) = place((0.0, y));
        line(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{y:.0}</text>", LEFT - 6.0, at + 4.0));
    }
    line(format!("<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{x_max:.1} min</text>", low + 14.0));
    if let Some(bound) = series.bound {
        let (_, at) = place((0.0, bound));
        line(format!("<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#c33\" stroke-dasharray=\"5 4\"/>"));
    }
    let points: Vec<String> =
        series.points.iter().map(|point| place(*point)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    line(format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#26c\" stroke-width=\"1.5\"/>",
        points.join(" ")
    ));
}

#[cfg(test)]
mod tests;
