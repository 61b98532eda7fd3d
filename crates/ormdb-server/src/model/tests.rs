use super::*;

#[test]
fn parents_come_before_their_children() {
    let model = Model::parse(include_str!("../../../../examples/chinook/schema.ormdb")).unwrap();
    let names: Vec<String> =
        ["InvoiceLine", "Track", "Employee", "Album", "Invoice", "Customer", "Artist", "MediaType", "Genre"]
            .map(str::to_owned)
            .to_vec();
    let order = model.parents_first(&names).unwrap();
    let ordered: Vec<&str> = order.iter().map(|at| names[*at].as_str()).collect();
    assert_eq!(
        ordered,
        ["Employee", "Customer", "Invoice", "Artist", "Album", "MediaType", "Genre", "Track", "InvoiceLine"]
    );
    assert!(model.parents_first(&["Nobody".to_owned()]).is_err());
}

#[test]
fn knows_stored_fields_and_keys() {
    let model = Model::parse(include_str!("../../../../examples/blog/schema.ormdb")).unwrap();
    let user = model.entity("User").unwrap();
    let fields: Vec<&str> = Model::stored_fields(user).map(|field| field.0.name.as_str()).collect();
    assert_eq!(fields, ["id", "email", "name", "role", "joinedAt"]);
    assert_eq!(Model::key(user), ["id"]);
    assert_eq!(Model::key(model.entity("Like").unwrap()), ["userId", "postId"]);
    let failure = model.entity("Usr").unwrap_err();
    assert!(failure.render().unwrap().contains("did you mean `User`?"));
}
