#include "agent/cli/cli_store.h"

#include <ev.h>
#include <stdlib.h>

#include "agent/clock.h"
#include "agent/core/reason.h"

/* One operation that is waited for. */
struct waiting {
	struct store_call call;
	struct ev_loop *loop;
	bool answered;
	bool copied;
	enum reason health;
	enum record_result result;
	struct cli_record *found;
};

static int open_store(struct cli_store *s, bool create)
{
	struct store_options options = config_store_options(s->config);
	char error[512];

	options.now_ms = clock_now_ms;
	options.must_exist = !create;
	if (store_open(&s->store, &options, error, sizeof(error)) == 0)
		return 0;
	fprintf(stderr, "%s\n", error);
	return -1;
}

enum cli_status cli_store_open(struct cli_store *s, struct config *config,
                               bool create)
{
	*s = (struct cli_store){.config = config_ref(config)};
	if (open_store(s, create) != 0) {
		cli_store_close(s);
		return CLI_FAILED;
	}
	s->loop = ev_loop_new(EVFLAG_AUTO);
	if (s->loop)
		s->client = store_attach(s->store, s->loop);
	if (s->client)
		return CLI_DONE;
	fputs("out of memory or descriptors\n", stderr);
	cli_store_close(s);
	return CLI_FAILED;
}

void cli_store_close(struct cli_store *s)
{
	store_detach(s->client);
	if (s->loop)
		ev_loop_destroy(s->loop);
	store_close(s->store);
	config_unref(s->config);
}

enum cli_status cli_store_with(const char *config_path, bool create,
                               enum cli_status (*work)(struct cli_store *s,
                                                       void *cookie),
                               void *cookie)
{
	struct config *config = config_load(config_path, stderr);
	struct cli_store s;
	enum cli_status status;

	if (!config)
		return CLI_USAGE;
	status = cli_store_open(&s, config, create);
	if (status == CLI_DONE) {
		status = work(&s, cookie);
		cli_store_close(&s);
	}
	config_unref(config);
	return status;
}

static void on_answer(struct store_call *call,
                      const struct record_answer *answer)
{
	struct waiting *w = (struct waiting *)call;

	w->answered = true;
	w->health = answer->health;
	w->result = answer->result;
	w->copied = true;
	if (w->health == REASON_NONE && w->result == RECORD_FOUND && w->found)
		w->copied = cli_record_copy(w->found, call->op.record_key,
		                            answer->found);
	ev_break(w->loop, EVBREAK_ALL);
}

enum cli_status cli_store_do(struct cli_store *s, const struct record_op *op,
                             enum record_result *ret_result,
                             struct cli_record *ret_found)
{
	struct waiting w = {
	    .call = {.op = *op, .done = on_answer},
	    .loop = s->loop,
	    .found = ret_found,
	};

	store_submit(s->client, &w.call);
	while (!w.answered)
		ev_run(s->loop, 0);
	if (w.health != REASON_NONE) {
		fprintf(stderr, "%s\n", reason_text(w.health));
		return CLI_FAILED;
	}
	if (!w.copied) {
		fputs("out of memory\n", stderr);
		return CLI_FAILED;
	}
	*ret_result = w.result;
	return CLI_DONE;
}

enum cli_status cli_store_scan(struct cli_store *s, const uint8_t *after,
                               store_visit *visit, void *cookie)
{
	char error[512];

	if (store_scan(s->store, after, visit, cookie, error, sizeof(error)) ==
	    0)
		return CLI_DONE;
	fprintf(stderr, "%s\n", error);
	return CLI_FAILED;
}

void cli_store_name(const struct config *config,
                    char ret_text[CLI_STORE_NAME_SIZE])
{
	const size_t size = CLI_STORE_NAME_SIZE;
	size_t used;

	if (strcmp(config->store_driver, "redis") != 0) {
		snprintf(ret_text, size, "%s %s", config->store_driver,
		         config->store_path);
		return;
	}
	used = (size_t)snprintf(ret_text, size, "%s", config->store_driver);
	for (size_t i = 0; i < config->n_redis_servers && used < size; i++) {
		char server[ENDPOINT_TEXT_SIZE];

		endpoint_format(&config->redis_servers[i], server,
		                sizeof(server));
		used += (size_t)snprintf(ret_text + used, size - used, " %s",
		                         server);
	}
}

uint64_t cli_store_count(struct cli_store *s)
{
	struct store_stats stats;

	store_stats(s->store, &stats);
	return stats.records;
}

bool cli_record_copy(struct cli_record *ret_copy, const uint8_t *record_key,
                     const struct record *record)
{
	const size_t key = record->key.size, response = record->response.size;
	uint8_t *bytes = malloc(key + response + 1);

	if (!bytes)
		return false;
	memcpy(ret_copy->record_key, record_key, RECORD_KEY_SIZE);
	ret_copy->record = *record;
	ret_copy->bytes = bytes;
	ret_copy->response = NULL;
	if (key > 0)
		memcpy(bytes, record->key.data, key);
	if (response > 0)
		memcpy(bytes + key, record->response.data, response);
	ret_copy->record.key = spoe_span(bytes, key);
	ret_copy->record.response = spoe_span(bytes + key, response);
	return true;
}

void cli_record_fini(struct cli_record *record)
{
	free(record->bytes);
	free(record->response);
	record->bytes = NULL;
	record->response = NULL;
}
