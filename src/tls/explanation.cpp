// explanation: what each reason of a failed handshake means and what helps, for whoever is on call.
//
// The texts are Markdown that also reads well as it is: names in backquotes, commands in lines of their own that begin
// with four spaces. Two line ends begin a new paragraph.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/handshake_report.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace sallyport {

namespace {

constexpr std::array explanations{
    explanation{
        .reason = handshake_error::timeout_before_client_hello,
        .action = "ignore it unless there are many; then look whether one address or a broken network causes them",
        .cause =
            "Somebody opened a TCP connection and sent nothing, or not enough for a ClientHello, until the deadline. "
            "Port scanners, health checks that only connect, and browsers that open connections in reserve do it "
            "every day. A client whose packets get lost does too, and one that waits for the server to speak "
            "first, as in SMTP or FTP with STARTTLS.",
        .cure = "Nothing, if the peers are scanners or your own health checks; let these perform a handshake if they "
                "are to show that TLS works. If real users are among them, their network is slow or breaks large "
                "packets: see whether the ClientHello arrives at all (`tcpdump`), and raise `--handshake-timeout` "
                "(`set_handshake_timeout()`) only if it arrives late. If one address holds many connections, lower "
                "`--max-handshakes-per-address`.",
        .expected = true,
    },
    explanation{
        .reason = handshake_error::timeout_in_handshake,
        .action = "look at the network between, or raise the handshake timeout if clients are that slow",
        .cause =
            "The ClientHello came, the answer was sent, and the client didn't complete the handshake before the "
            "deadline. Its packets or ours get lost on the way: a path that swallows full-sized packets (MTU, VPN) "
            "does it at exactly this point, as our certificates are the first large ones. Or the client waits: "
            "for a person who chooses a certificate or types a PIN, for a slow smartcard. Or the application here "
            "deferred its decision about the client and didn't make it in time.",
        .cure =
            "If only some networks are affected, look for the MTU: `ping -M do -s 1472 HOST` from the client. If "
            "people choose certificates, raise `--handshake-timeout` (`set_handshake_timeout()`) to a minute. If the "
            "application uses `defer_interrupted_handshake()` or looks up pre-shared keys, see how long it takes. "
            "Compare with a client that is near:\n\n"
            "    openssl s_client -connect HOST:PORT -servername NAME -state </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::not_tls,
        .action = "let the client use TLS, or find out who scans the port",
        .cause =
            "The first bytes are no TLS record. It is a scanner that tries other protocols, a client that speaks "
            "its protocol without TLS (or expects STARTTLS, which isn't spoken here), or a load balancer that puts "
            "a PROXY header before the connection.",
        .cure =
            "Nothing, if scanners do it. If it is your client, switch its TLS on, and see that its port is this one "
            "(\"implicit TLS\", not STARTTLS). If a load balancer is in front, switch its PROXY protocol off. With "
            "the library, read the header yourself and pass the rest on with `ssl_server::adopt()`. To see that the "
            "port speaks TLS:\n\n"
            "    openssl s_client -connect HOST:PORT </dev/null",
        .expected = true,
    },
    explanation{
        .reason = handshake_error::plain_http,
        .action = "let the client use https:// with this port",
        .cause =
            "The first bytes are an HTTP request: a URL with http:// instead of https://, a reverse proxy that was "
            "told to connect to its backend without TLS, a health check over HTTP, or a scanner.",
        .cure = "Write https:// in the URL, or in the proxy's configuration (nginx: `proxy_pass https://...`). Let the "
                "health check use HTTPS too. The request never reached the application. What was in it, cookies and "
                "passwords too, has gone over the network in the clear, so change those that matter. To see that HTTPS "
                "works:\n\n"
                "    curl -v https://HOST:PORT/",
        .expected = true,
    },
    explanation{
        .reason = handshake_error::closed_by_client,
        .action = "ignore it unless one client does it always; then look into that client's log",
        .cause = "The client ended the TCP connection before the handshake was complete, and sent no alert to say why. "
                 "In the phase `before_client_hello` it is a health check or a scanner. In the phase `in_handshake` "
                 "somebody has closed a window or a laptop, or the client disliked what it saw (mostly the "
                 "certificate) and didn't tell; a few TLS libraries never do.",
        .cure =
            "Nothing, if it is rare or comes before the ClientHello. If one client always does it in the handshake, "
            "its own log has the reason. Otherwise let a stricter client judge the certificate:\n\n"
            "    openssl s_client -connect HOST:PORT -servername NAME -verify_return_error </dev/null",
        .expected = true,
    },
    explanation{
        .reason = handshake_error::reset_by_client,
        .action = "ignore it unless one client or network does it always",
        .cause = "A TCP reset came before the handshake was complete. Scanners and load balancers' health checks end "
                 "their connections so, and so do crashed programs. A firewall on the way may have sent it in the "
                 "client's name: because of the server name, or because it takes the connection for idle.",
        .cure = "Nothing, if it is rare. If it is every connection from one network, a firewall there is the suspect: "
                "try from within it, once with the name and once without, and compare.\n\n"
                "    openssl s_client -connect HOST:PORT -servername NAME </dev/null\n"
                "    openssl s_client -connect HOST:PORT -noservername </dev/null",
        .expected = true,
    },
    explanation{
        .reason = handshake_error::no_common_version,
        .action = "update the client so that it uses TLS 1.2 or later (TLS 1.3 with the modern profile)",
        .cause =
            "The client offers only versions of TLS that aren't spoken here. `client_offers` and `server_offers` in "
            "the log have both lists. SSL 3, TLS 1.0 and TLS 1.1 are broken and never spoken (RFC 8996). With "
            "`--profile modern` TLS 1.2 isn't spoken either. A client that says \"as a fallback\" has both versions "
            "and came back with less after a first attempt had failed: then the failure before is the cause.",
        .cure =
            "Update the client: everything since about 2013 has TLS 1.2 (OpenSSL 1.0.1, Java 8, Windows 8.1, Android "
            "5), but it may be switched off. If the client ends at TLS 1.2 and can't be replaced, use `--profile "
            "intermediate`, the default (`security_profile::intermediate`). There is no switch for older ones. To "
            "see what the server takes:\n\n"
            "    openssl s_client -connect HOST:PORT -tls1_2 </dev/null\n"
            "    openssl s_client -connect HOST:PORT -tls1_3 </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::no_common_cipher,
        .action = "update the client, or add a certificate with the type of key (RSA or ECDSA) that it can use",
        .cause = "No cipher suite is on both lists: `client_offers` and `server_offers` in the log have them. In TLS "
                 "1.2 only ECDHE with AES-GCM or ChaCha20 is used here, as the profile says: old clients "
                 "offer CBC, RC4 or RSA key exchange. The certificate's key counts too: with an ECDSA key no ECDHE-RSA "
                 "suite is usable, and the other way round.",
        .cure = "Update the client. If it only has ECDHE_RSA suites and the certificate is ECDSA, serve an RSA "
                "certificate (`--cert`, `--key`). With the library the lists are `ssl_configuration::ciphers` and "
                "`ciphersuites`; a list of your own may be too short. To try one suite:\n\n"
                "    openssl s_client -connect HOST:PORT -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::no_common_group,
        .action = "let the client offer X25519, P-256 or P-384",
        .cause =
            "A group is also called a curve. `client_offers` and "
            "`server_offers` in the log have both lists. Here it is X25519, P-256 and P-384 unless configured "
            "otherwise. A client with a list of its own (only P-521, only finite-field groups, only a post-quantum "
            "hybrid), or one without elliptic curves at all (`client_offers` is none), has nothing of it.",
        .cure = "Remove the restriction in the client's configuration (OpenSSL: `Groups` or `Curves`; Java: "
                "`jdk.tls.namedGroups`), so that it offers at least P-256. With the library add the group to "
                "`ssl_configuration::groups`. To try one group:\n\n"
                "    openssl s_client -connect HOST:PORT -groups P-256 </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::no_common_signature_algorithm,
        .action = "use a certificate with a type of key that the client can verify, such as RSA or ECDSA P-256",
        .cause = "The client has said which signatures it can verify, and our certificate's key can make none of them. "
                 "`client_offers` and `server_offers` in the log have both lists. In TLS 1.3 a curve goes with one "
                 "algorithm: with a P-384 key that is ecdsa_secp384r1_sha384 alone. Typical are an Ed25519 certificate "
                 "and clients that don't know it (browsers), an old client that only has SHA-1, which is refused here, "
                 "and a client with a list of its own.",
        .cure =
            "Serve a certificate that all clients understand: RSA with 2048 bits or more, or ECDSA P-256 (`--cert`, "
            "`--key`). Otherwise extend the client's list (OpenSSL: `SignatureAlgorithms`). To try one:\n\n"
            "    openssl s_client -connect HOST:PORT -sigalgs ecdsa_secp256r1_sha256 </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::no_common_application_protocol,
        .action =
            "add one of the client's protocols to alpn_protocols (--alpn), or give the client one of the server's",
        .cause = "The client has said (ALPN) which application protocols it speaks, and none of them is served here. "
                 "`client_offers` and `server_offers` in the log have both lists. Names are compared byte by byte: "
                 "`http/1.1`, not `HTTP/1.1`. Typical is a client that insists on `h2`, as gRPC does.",
        .cure = "If what stands behind this server speaks the client's protocol, add its name to `--alpn` "
                "(`ssl_configuration::alpn_protocols`), the best one first. Without `--alpn` nobody is refused for it. "
                "If not, the client has the wrong port. To try one protocol:\n\n"
                "    openssl s_client -connect HOST:PORT -alpn http/1.1 </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::unknown_server_name,
        .action = "let the client use a name that is served, or add a certificate for this one",
        .cause =
            "The client asked (SNI) for a name for which there is nothing here: an old DNS entry, a wrong URL, or a "
            "scanner that tries names. The name is `sni` in the log. The command and the library don't report "
            "this reason by themselves so far: they show the first certificate to a client that asks for another "
            "name, and the client decides (see `alert_from_client`).",
        .cure = "Correct the client's URL or the DNS entry. If the name is yours, add its certificate: `--cert` and "
                "`--key` may be repeated (`ssl_configuration::identities`). To see which certificate a name gets:\n\n"
                "    openssl s_client -connect HOST:PORT -servername NAME </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::no_client_certificate,
        .action = "give the client a certificate and its key, issued by one of ca_certificates (--client-ca)",
        .cause =
            "Clients have to show a certificate here (`--client-verify verify`), and this one sent none. It has none "
            "configured; or it found none that fits: we name the CAs of `--client-ca`, and most clients send only "
            "a certificate that was issued by one of these.",
        .cure = "Configure certificate and key in the client (curl: `--cert`, `--key`), with the intermediate "
                "certificates in the same file, so that the client finds its way to our CA. If clients without one are "
                "welcome, use `--client-verify query` (`peer_verify_mode::query`); beware that it lets in everybody. "
                "To see "
                "which CAs we name, and to try a certificate:\n\n"
                "    openssl s_client -connect HOST:PORT -cert client.pem -key client.key </dev/null",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::client_certificate_expired,
        .action = "renew the client's certificate, or set the clock that is wrong",
        .cause =
            "The client's certificate, or a CA's between it and `--client-ca`, isn't valid yet or isn't any more. Or "
            "the clock of this machine is wrong: then it strikes all clients at once. Not valid yet means mostly "
            "that the CA's clock is ahead.",
        .cure =
            "Renew the certificate. If all clients fail, compare `date -u` with a good clock, and look whether the CA "
            "itself has expired. The dates of a certificate:\n\n"
            "    openssl x509 -in client.pem -noout -subject -dates",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::client_certificate_unknown_ca,
        .action =
            "add the CA of the client's certificate to ca_certificates (--client-ca), or let it send its intermediates",
        .cause = "Nothing in `--client-ca` vouches for the client's certificate. It is of another CA, it has signed "
                 "itself, or the client doesn't send the intermediate certificates that lead to our CA. After a change "
                 "of the CA: the server still has the old file, as it reads it only when it starts.",
        .cure = "See who issued it, and whether the chain is complete:\n\n"
                "    openssl x509 -in client.pem -noout -subject -issuer\n"
                "    openssl verify -purpose sslclient -CAfile ca.pem -untrusted intermediates.pem client.pem\n\n"
                "If that CA may decide who gets in, add it to `--client-ca` (`ssl_configuration::ca_certificates`) and "
                "restart. If intermediates are missing, put them into the client's certificate file, after its own.",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::client_certificate_revoked,
        .action = "issue a new certificate to the client, if it still deserves one",
        .cause = "Its key was lost or stolen, or its owner has left. The "
                 "command reads no revocation lists; with the library the application has decided it, with "
                 "`certificate_alert::certificate_revoked`.",
        .cure = "Find out who still uses it and why it was revoked before you issue a new one. Its owner is "
                "`client_subject` "
                "in the log, or:\n\n"
                "    openssl x509 -in client.pem -noout -subject -serial",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::client_certificate_rejected,
        .action = "see in the sentence what is wrong with the certificate, and issue a correct one",
        .cause =
            "The client's certificate comes from somewhere, but it can't be used: it is for servers only (extended "
            "key usage without clientAuth), its key or signature is too weak (RSA below 2048 bits, SHA-1), its chain "
            "is longer than allowed, a CA in it is none, its signature is wrong, or the application refused it. The "
            "log's `detail` says which.",
        .cure =
            "OpenSSL gives the same verdict on the command line:\n\n"
            "    openssl verify -purpose sslclient -auth_level 2 -CAfile ca.pem client.pem\n"
            "    openssl x509 -in client.pem -noout -text\n\n"
            "Issue a new certificate: for clients (`extendedKeyUsage=clientAuth`), with SHA-256, and RSA of 2048 bits "
            "or "
            "ECDSA P-256. With the library, `verify_depth` limits the chain, and a slot of `ssl_errors` may make an "
            "exception with `ignore_ssl_errors(list)`.",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::denied_by_policy,
        .action = "add a rule for this client, if it may get in",
        .cause =
            "The client has proved who it is, or was forgiven that it hasn't, and no rule (`--allow`, "
            "`ssl_configuration::allow`) lets it in. It is neither a fault of its certificate nor of TLS. `detail` has "
            "its subject and names.",
        .cure = "Compare them with the rules; add one if the client may get in. Don't widen the CAs of `--client-ca` "
                "for it: that isn't what was missing.",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::bad_pre_shared_key,
        .action = "compare the identity and the key in the client with the server's (--psk-file)",
        .cause =
            "The client wants to authenticate by a pre-shared key, and its identity isn't known here or its key is "
            "another one. The client is told the same in both cases, so that nobody can find out which identities "
            "exist; the log has the identity (`psk_identity`). Typical: the key was changed on one side, a space or "
            "line "
            "end is part of the identity, or the server was not restarted after `--psk-file` was changed. In TLS 1.3 "
            "the hash belongs to the key: with `sha384=` here the client must use it too.",
        .cure =
            "Compare the client's settings with its line in `--psk-file`, `identity:hexkey`, and restart the server. A "
            "key that is known to be good can be tried by hand (the key is then visible in the list of processes):\n\n"
            "    openssl s_client -connect HOST:PORT -psk_identity NAME -psk HEXKEY </dev/null\n\n"
            "With the library, a slot of `pre_shared_key_authentication_required` that sets no key has this effect. "
            "Many "
            "different identities from one address are somebody who guesses.",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::alert_from_client,
        .action = "see which alert it was: mostly the client doesn't trust the server's certificate",
        .cause =
            "The client refused us and said why: `alert` in the log. With `unknown_ca` it doesn't trust the CA of our "
            "certificate, or we don't send the intermediate certificates. `certificate_expired` is our certificate, or "
            "the client's clock. `bad_certificate` and `certificate_unknown` are mostly a name in the URL that isn't "
            "in "
            "the certificate, or a certificate that signed itself. `handshake_failure`, `illegal_parameter` and "
            "`protocol_version` mean that it can't use what we chose. `user_canceled` was a person.",
        .cure =
            "For certificates: `--cert` must hold the server's own certificate first, then the intermediate ones; the "
            "name that the client uses must be in it; and it must be valid today. `--self-signed` is trusted by "
            "nobody. "
            "To see what the client sees:\n\n"
            "    openssl s_client -connect HOST:PORT -servername NAME -verify_hostname NAME -showcerts </dev/null\n"
            "    openssl x509 -in chain.pem -noout -subject -issuer -dates -ext subjectAltName\n\n"
            "\"Verify return code: 0 (ok)\" there means that all is well with our certificate, and that the client "
            "lacks the CA.",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::protocol_violation,
        .action = "find out which client it is: a fault in its TLS, a middlebox that changes bytes, or an attacker",
        .cause =
            "It began as TLS, and then came something that breaks the protocol: a malformed message, one out of turn, "
            "a record that doesn't decrypt, or more than 32 KiB of ClientHello or certificates. Scanners for old "
            "weaknesses do it on purpose. From a real client it is a "
            "fault of its TLS library, or of a middlebox on the way that changes what it doesn't understand.",
        .cure = "Nothing, if the address is unknown: the client was refused, which is right. If it is one of yours, "
                "update its "
                "TLS library and try from another network. The log's `detail` has what OpenSSL found. If a current "
                "client does "
                "it over a clean network, please report it with a recording of the handshake "
                "(`tcpdump -s0 -w handshake.pcap port PORT`).",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::evicted,
        .action =
            "look for a flood of silent clients, or raise max_handshakes (--max-handshakes) or the descriptor limit",
        .cause =
            "More handshakes were in progress than there are places, in all (`--max-handshakes`) or for one address "
            "(`--max-handshakes-per-address`), or the process was out of descriptors; the oldest silent one had to go. "
            "Somebody opens connections and says nothing; or many clients arrive at once, as after a restart; or all "
            "of "
            "them come through one load balancer and share one address's places.",
        .cure = "See in the log whose connections they are (`peer`). If one address does it, it is held down already; "
                "block it in "
                "the firewall if it costs too much. Behind a load balancer raise `--max-handshakes-per-address` to the "
                "value of "
                "`--max-handshakes`. If honest clients are evicted, raise both (some 40 KiB of memory for each "
                "handshake), and "
                "`ulimit -n` with them. A shorter `--handshake-timeout` frees places sooner.",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::aborted,
        .action = "nothing, if the server was being stopped; otherwise look into the application",
        .cause =
            "This side ended it, not the client: the server was stopped or closed while the handshake was in progress "
            "(beyond `--shutdown-timeout`, if it was told to stop), or the application called `abort()` or `close()` "
            "in a "
            "slot.",
        .cure = "Nothing, if a `stopping` or `stopped` stands near it in the log; clients connect again. If restarts "
                "cut too many, "
                "raise `--shutdown-timeout`. Otherwise search the application for calls of `ssl_socket::abort()`, "
                "`ssl_socket::close()` and `ssl_server::close()`.",
        .expected = false,
    },
    explanation{
        .reason = handshake_error::internal,
        .action = "look at the server's memory, and at its private key if that is in hardware",
        .cause =
            "The server couldn't do its part: memory ran out, OpenSSL failed where it shouldn't, or the private key "
            "couldn't sign (a smartcard or HSM that is gone). The client isn't to blame, and others are probably "
            "affected.",
        .cure = "Look at `detail` in the log, at the memory of the process and of the machine (`dmesg` for the OOM "
                "killer), and "
                "at the key's device. Restart the server if it goes on. If neither memory nor a device explains it, it "
                "is a "
                "fault of ours: please report it with the line of the log and the output of `sallyport --version`.",
        .expected = false,
    },
};

// The enum counts from 1, so that an explanation is found without a search.
constexpr bool is_in_order() {
  for (std::size_t i = 0; i < explanations.size(); ++i) {
    if (static_cast<std::size_t>(explanations[i].reason) != i + 1) return false;
  }
  return explanations.back().reason == handshake_error::internal;
}
static_assert(is_in_order());
static_assert(std::ranges::none_of(explanations, [](const explanation& each) {
  return each.action.empty() || each.cause.empty() || each.cure.empty();
}));

}  // namespace

const explanation& explain(handshake_error reason) noexcept {
  const auto number = static_cast<std::size_t>(reason);
  // A number that isn't an enumerator can only be a fault of ours.
  if (number < 1 || number > explanations.size()) return explanations.back();
  return explanations[number - 1];
}

std::string_view to_string(detected_by who) noexcept {
  switch (who) {
    case detected_by::server:
      return "server";
    case detected_by::client:
      return "client";
  }
  return "unknown";
}

}  // namespace sallyport
