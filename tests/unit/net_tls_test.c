/* TLS: which files are taken, and who is believed. */
#include "tests/unit/net_tls_rig.h"

/* --- files --- */

static void says_what_is_wrong_with_a_file(void **state)
{
	static const struct {
		bool client;
		const char *certificate;
		const char *key;
		const char *ca;
		const char *error; /* beginning with what it is about */
		const char *file;  /* which the text names */
	} rows[] = {
	    {false, NULL, NULL, NULL, "there is no certificate", NULL},
	    {false, "", "", "", "there is no certificate", NULL},
	    {false, "none.pem", NULL, NULL, "No such file", "none.pem"},
	    {false, "agent.key", NULL, NULL, "certificate /", "agent.key"},
	    {false, "agent.key", NULL, NULL, "there is none in the file",
	     "agent.key"},
	    {false, "junk", NULL, NULL, "bad end line; expected PEM", "junk"},
	    {false, "empty", NULL, NULL, "there is none in the file", "empty"},
	    {false, ".", NULL, NULL, "certificate /", "."},
	    {false, "agent.pem", NULL, NULL, "private key /", "agent.pem"},
	    {false, "agent.pem", "none.key", NULL, "No such file", "none.key"},
	    {false, "agent.pem", "junk", NULL, "private key /", "junk"},
	    {false, "agent.pem", "client.pem", NULL,
	     "is not the one of the certificate", "client.pem"},
	    {false, "agent.pem", "locked.key", NULL,
	     "is protected by a pass phrase", "locked.key"},
	    {false, "agent.pem", "agent.key", "none.pem", "No such file",
	     "none.pem"},
	    {false, "agent.pem", "agent.key", "agent.key", "CA certificate /",
	     "agent.key"},
	    {true, NULL, "agent.key", NULL, "there is no certificate for it",
	     "agent.key"},
	    {true, NULL, NULL, "none.pem", "No such file", "none.pem"},
	    {true, NULL, NULL, "junk", "CA certificate /", "junk"},
	    {true, "agent.pem", "client.pem", NULL,
	     "is not the one of the certificate", "client.pem"},
	};
	struct rig rig = {.certificates = *state};
	FILE *junk = fopen(rig_file(&rig, 0, "junk"), "w");

	fputs("-----BEGIN NONSENSE-----\nAAAA\n", junk);
	fclose(junk);
	fclose(fopen(rig_file(&rig, 0, "empty"), "w"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_options options = {
		    .certificate = rows[i].certificate && *rows[i].certificate
		                       ? rig_file(&rig, 0, rows[i].certificate)
		                       : rows[i].certificate,
		    .key = rows[i].key && *rows[i].key
		               ? rig_file(&rig, 1, rows[i].key)
		               : rows[i].key,
		    .ca = rows[i].ca && *rows[i].ca
		              ? rig_file(&rig, 2, rows[i].ca)
		              : rows[i].ca,
		};
		char error[400] = "";
		struct tls *tls = NULL;
		int made =
		    rows[i].client
			? tls_new_client(&tls, &options, error, sizeof(error))
			: tls_new_server(&tls, &options, error, sizeof(error));

		if (made == 0 || tls || !strstr(error, rows[i].error) ||
		    (rows[i].file &&
		     !strstr(error, rig_file(&rig, 3, rows[i].file))))
			fail_msg("row %zu: %s", i, error);
	}
}

static void takes_files_together_and_apart(void **state)
{
	static const struct {
		const char *certificate;
		const char *key;
	} rows[] = {
	    {"agent.pem", "agent.key"},
	    {"agent-both.pem", NULL},
	    {"agent-both.pem", ""},
	    {"agent-both.pem", "agent-both.pem"},
	};
	struct rig rig = {.certificates = *state};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_options options = {
		    .certificate = rig_file(&rig, 0, rows[i].certificate),
		    .key = rows[i].key && *rows[i].key
		               ? rig_file(&rig, 1, rows[i].key)
		               : rows[i].key,
		};
		char error[400] = "";
		struct tls *tls = NULL;

		if (tls_new_server(&tls, &options, error, sizeof(error)) < 0)
			fail_msg("row %zu: %s", i, error);
		assert_true(tls_not_after(tls) > 1700000000);
		tls_unref(tls_ref(tls));
		tls_unref(tls);
	}
	tls_unref(NULL);
}

/* --- who is believed --- */

/* Both ends talk, or ours says `failure`. */
static void expect(void **state, const struct rig_options *o,
                   const char *failure)
{
	struct rig rig;

	rig_open(&rig, state, o);
	rig_send(&rig, "from us", 7);
	rig_settle(&rig);
	if (!failure) {
		assert_int_equal(rig.end.status, TRANSPORT_OK);
		assert_int_equal(rig.peer.size, 7);
		rig_say(&rig.peer, "from the peer", 13);
		rig_settle(&rig);
		assert_int_equal(rig.end.size, 13);
		assert_memory_equal(rig.end.input, "from the peer", 13);
	} else {
		assert_int_equal(rig.end.status, TRANSPORT_ERROR);
		assert_true(transport_tls_failed(&rig.end.transport));
		if (!strstr(transport_failure(&rig.end.transport), failure))
			fail_msg("%s; expected %s",
			         transport_failure(&rig.end.transport),
			         failure);
		/* Not one byte of ours, and the peer is told. */
		assert_int_equal(rig.peer.size, 0);
		assert_int_equal(rig.end.size, 0);
	}
	rig_close(&rig);
}

static void a_client_believes_who_the_ca_has_signed(void **state)
{
	struct rig_options o = rig_client;

	expect(state, &o, NULL);
	o.peer_version = TLS1_2_VERSION;
	expect(state, &o, NULL);
	o.server_name = "127.0.0.1";
	expect(state, &o, NULL);
	o.server_name = "::1";
	expect(state, &o, NULL);
	o.server_name = NULL;
	expect(state, &o, NULL);
}

static void a_client_believes_nobody_else(void **state)
{
	struct rig_options o = rig_client;

	o.peer_certificate = "other.pem";
	expect(state, &o, "refused: unable to get local issuer certificate");
	o.server_name = NULL;
	expect(state, &o, "refused: unable to get local issuer certificate");

	o = rig_client;
	o.server_name = "other.test";
	expect(state, &o, "refused: hostname mismatch");
	o.server_name = "127.0.0.2";
	expect(state, &o, "refused: IP address mismatch");
	/* A part of the name, or a longer one, is another. */
	o.server_name = "test";
	expect(state, &o, "refused: hostname mismatch");
	o.server_name = "x.agent.test";
	expect(state, &o, "refused: hostname mismatch");

	o = rig_client;
	o.peer_certificate = "expired.pem";
	expect(state, &o, "refused: certificate has expired");

	/* One for clients is none for a server. */
	o = rig_client;
	o.server_name = NULL;
	o.peer_certificate = "client.pem";
	expect(state, &o, "certificate purpose");

	/* The system does not know our CA. */
	o = rig_client;
	o.ca = NULL;
	expect(state, &o, "refused: unable to get local issuer certificate");
	o.peer_version = TLS1_2_VERSION;
	expect(state, &o, "refused: unable to get local issuer certificate");
}

static void a_client_that_does_not_verify_takes_all(void **state)
{
	struct rig_options o = rig_client;

	o.unverified = true;
	o.peer_certificate = "other.pem";
	expect(state, &o, NULL);
	o.server_name = "other.test";
	expect(state, &o, NULL);
}

static void a_client_shows_its_certificate(void **state)
{
	struct rig_options o = rig_client;

	o.peer_ca = "ca.pem";
	o.certificate = "client.pem";
	expect(state, &o, NULL);
	/* With TLS 1.3 a client is done before the server has looked. */
	o.peer_version = TLS1_2_VERSION;
	expect(state, &o, NULL);
	o.certificate = NULL;
	expect(state, &o, "the peer refused us: ");
}

static void a_server_asks_nobody_by_itself(void **state)
{
	struct rig_options o = rig_server;

	expect(state, &o, NULL);
	o.peer_ca = "ca.pem";
	expect(state, &o, NULL);
	o.peer_version = TLS1_2_VERSION;
	expect(state, &o, NULL);
	o.peer_ca = "other-ca.pem";
	expect(state, &o, "the peer refused us: unknown CA");
}

static void a_server_with_a_ca_asks_for_certificates(void **state)
{
	struct rig_options o = rig_server;
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	o.ca = "ca.pem";
	for (size_t i = 0; i < 2; i++) {
		o.peer_version = versions[i];
		o.peer_certificate = "client.pem";
		expect(state, &o, NULL);
		o.peer_certificate = NULL;
		expect(state, &o, "the peer has no certificate");
		o.peer_certificate = "other.pem";
		expect(state, &o,
		       "refused: unable to get local issuer certificate");
		/* One for servers is none for a client. */
		o.peer_certificate = "agent-both.pem";
		expect(state, &o, "certificate purpose");
	}
}

static void old_versions_are_refused(void **state)
{
	struct rig_options o = rig_server;

	o.peer_version = TLS1_1_VERSION;
	expect(state, &o, "unsupported protocol");
	o = rig_client;
	o.peer_version = TLS1_1_VERSION;
	expect(state, &o, "the peer refused us: protocol version");
}

/* SNI is there for names only. */
static int note_name(SSL *ssl, int *alert, void *cookie)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(cookie, 64, "%s", name ? name : "none");
	return SSL_TLSEXT_ERR_OK;
}

static void a_client_names_the_server(void **state)
{
	static const char *const names[][2] = {
	    {"agent.test", "agent.test"},
	    {"127.0.0.1", "none"},
	    {NULL, "none"},
	};

	for (size_t i = 0; i < 3; i++) {
		struct rig_options o = rig_client;
		char seen[64] = "";
		struct rig rig;

		o.server_name = names[i][0];
		rig_open(&rig, state, &o);
		SSL_CTX_set_tlsext_servername_callback(rig.peer.context,
		                                       note_name);
		SSL_CTX_set_tlsext_servername_arg(rig.peer.context, seen);
		rig_send(&rig, "x", 1);
		rig_settle(&rig);
		assert_string_equal(seen, names[i][1]);
		rig_close(&rig);
	}
}

/* Whatever it is that came, nothing of it reaches the owner. */
static void what_is_no_tls_is_refused(void **state)
{
	static const struct spoe_span said[] = {
	    {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18},
	    /* The beginning of a HAPROXY-HELLO. */
	    {(const uint8_t *)"\0\0\0\x6e\x01\0\0\0\x01\0\0\x12supported-ver",
	     25},
	    {(const uint8_t *)"*3\r\n$3\r\nSET\r\n", 13},
	};

	for (size_t i = 0; i < 3; i++) {
		struct rig rig;

		rig_open(&rig, state, &rig_server);
		assert_int_equal(
		    send(rig.peer.fd, said[i].data, said[i].size, MSG_NOSIGNAL),
		    said[i].size);
		rig_send(&rig, "secret", 6);
		for (int turn = 0; turn < 5; turn++)
			ev_run(rig.loop, EVRUN_NOWAIT);
		assert_int_equal(rig.end.status, TRANSPORT_ERROR);
		assert_string_equal(transport_failure(&rig.end.transport),
		                    "the peer does not speak TLS");
		assert_int_equal(errno, EPROTO);
		assert_int_equal(rig.end.size, 0);
		rig_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_what_is_wrong_with_a_file),
	    cmocka_unit_test(takes_files_together_and_apart),
	    cmocka_unit_test(a_client_believes_who_the_ca_has_signed),
	    cmocka_unit_test(a_client_believes_nobody_else),
	    cmocka_unit_test(a_client_that_does_not_verify_takes_all),
	    cmocka_unit_test(a_client_shows_its_certificate),
	    cmocka_unit_test(a_server_asks_nobody_by_itself),
	    cmocka_unit_test(a_server_with_a_ca_asks_for_certificates),
	    cmocka_unit_test(old_versions_are_refused),
	    cmocka_unit_test(a_client_names_the_server),
	    cmocka_unit_test(what_is_no_tls_is_refused),
	};

	return cmocka_run_group_tests(tests, rig_certificates,
	                              rig_no_certificates);
}
