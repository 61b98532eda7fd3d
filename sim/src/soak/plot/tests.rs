use super::*;

#[test]
fn a_picture_has_each_line_and_its_bound() {
    let points = vec![(0.0, 1.0), (1.0, 4.0), (2.0, 2.0)];
    let series = [
        Series { name: "files", bound: Some(8.0), points: points.clone() },
        Series { name: "commits", bound: None, points },
    ];
    let svg = plot("a run", &series);
    assert_eq!(svg.matches("<polyline").count(), 2);
    assert_eq!(svg.matches("stroke-dasharray").count(), 1);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(
        !svg.contains("NaN")
            && !plot("nothing", &[Series { name: "n", bound: None, points: Vec::new() }]).contains("NaN")
    );
}
