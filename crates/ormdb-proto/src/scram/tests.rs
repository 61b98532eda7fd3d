use super::*;

/// The nonce of RFC 7677's example is no base64 of 18 bytes, so that its client is played by hand; keys and signatures are those of
/// the example.
#[test]
fn the_example_of_the_specification_holds() {
    let salt = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, "W22ZaJ0SNY7soEsUEjb6gQ==")
        .unwrap();
    let salted = keys::salted_password("pencil", &salt, 4096);
    let verifier = Verifier {
        iterations: 4096,
        salt,
        stored_key: keys::hash(&keys::client_key(&salted)),
        server_key: keys::server_key(&salted),
    };
    let login = ServerLogin::open("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", ChannelBinding::None).unwrap();
    assert_eq!(login.user(), "user");
    let challenge = login.challenge_with(verifier, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    let answer = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                  p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let last = challenge.finish(answer).unwrap();
    assert_eq!(last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

fn exchange(
    verifier: Verifier,
    (user, password): (&str, &str),
    (of_client, of_server): (ChannelBinding, ChannelBinding),
) -> Result<()> {
    let client = ClientLogin::new(user, password, [1; NONCE_BYTES], of_client)?;
    let server = ServerLogin::open(&client.first(), of_server)?;
    assert_eq!(server.user(), user);
    let server = server.challenge(verifier, [2; NONCE_BYTES]);
    let (answer, proof) = client.answer(server.text())?;
    proof.check(&server.finish(&answer)?)
}

use crate::error::Result;

#[test]
fn who_knows_the_password_gets_in() {
    let verifier = |password: &str| Verifier::of_password(password, [7; SALT_BYTES]).unwrap();
    let plain = (ChannelBinding::None, ChannelBinding::None);
    let tls = |a, b| (ChannelBinding::TlsExporter([a; 32]), ChannelBinding::TlsExporter([b; 32]));
    exchange(verifier("s3cret"), ("ann", "s3cret"), plain).unwrap();
    exchange(verifier("s3cret"), ("an=n,", "s3cret"), tls(1, 1)).unwrap();
    // The soft hyphen is mapped to nothing, the Roman number to letters (RFC 4013).
    exchange(verifier("I\u{ad}X"), ("ann", "\u{2168}"), plain).unwrap();
    let refusals = [
        (verifier("s3cret"), "S3cret", plain),
        (Verifier::of_nobody("ann", b"secret"), "s3cret", plain),
        (verifier("s3cret"), "s3cret", tls(1, 2)),
        (verifier("s3cret"), "s3cret", (ChannelBinding::TlsExporter([1; 32]), ChannelBinding::None)),
    ];
    for (verifier, password, bindings) in refusals {
        let error = exchange(verifier, ("ann", password), bindings).unwrap_err();
        assert_eq!(error.code, ErrorCode::AuthenticationFailed, "{password}");
    }
    for wrong in ["", "\u{7}", &"x".repeat(PASSWORD_BYTES_MAX + 1)] {
        let error = Verifier::of_password(wrong, [7; SALT_BYTES]).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidValue);
    }
}

#[test]
fn a_downgrade_is_refused() {
    let over_tls = ChannelBinding::TlsExporter([0; 32]);
    let error = ServerLogin::open("y,,n=ann,r=abc", over_tls).unwrap_err();
    assert_eq!(error.code, ErrorCode::AuthenticationFailed);
    ServerLogin::open("y,,n=ann,r=abc", ChannelBinding::None).unwrap();
}

#[test]
fn damaged_steps_are_refused() {
    for first in [
        "",
        "n",
        "n,,",
        "n,,n=a",
        "n,a=b,n=a,r=b",
        "x,,n=a,r=b",
        "n,,n=a=,r=b",
        "n,,n=a,r=",
        "n,,m=x,n=a,r=b",
    ] {
        assert_eq!(
            ServerLogin::open(first, ChannelBinding::None).unwrap_err().code,
            ErrorCode::ProtocolViolation
        );
    }
    let nonce = format!("{}x", attributes::encode(&[1; NONCE_BYTES]));
    let other = attributes::encode(&[9; NONCE_BYTES]);
    for challenge in [
        String::new(),
        format!("r={nonce}"),
        format!("r={nonce},s=AAAA,i=1"),
        format!("r={nonce},s=AAAA,i=99999999999"),
        format!("r={nonce},s=A,i=4096"),
        format!("r={other}x,s=AAAA,i=4096"),
        format!("r={},s=AAAA,i=4096", attributes::encode(&[1; NONCE_BYTES])),
    ] {
        let client = ClientLogin::new("a", "b", [1; NONCE_BYTES], ChannelBinding::None).unwrap();
        assert_eq!(client.answer(&challenge).unwrap_err().code, ErrorCode::ProtocolViolation, "{challenge}");
    }
    for last in ["", "c=biws", "c=biws,r=x", "c=biws,r=x,p=", "c=biws,r=x,p=AAAA", "p=,p=", ",p=AAAA"] {
        let login = ServerLogin::open("n,,n=a,r=b", ChannelBinding::None).unwrap();
        let challenge = login.challenge(Verifier::of_nobody("a", b""), [3; NONCE_BYTES]);
        assert_eq!(challenge.finish(last).unwrap_err().code, ErrorCode::ProtocolViolation, "{last}");
    }
}
