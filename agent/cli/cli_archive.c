#include "agent/cli/cli_archive.h"

#include <stdlib.h>
#include <string.h>

#include "spoe/frame.h"

static const char magic[] = "spoa-idempotency export 1\n";

enum {
	MARK_END = 0,
	MARK_RECORD = 1,
	ENTRY_SIZE = RECORD_KEY_SIZE + 2 + 4,
	END_SIZE = 8,
};

bool cli_archive_begin(FILE *out)
{
	return fputs(magic, out) >= 0;
}

static bool put(FILE *out, const void *bytes, size_t size)
{
	return size == 0 || fwrite(bytes, size, 1, out) == 1;
}

bool cli_archive_write(FILE *out, const uint8_t *record_key,
                       const struct record *record)
{
	uint8_t head_bytes[RECORD_HEAD_MAX], entry_bytes[1 + ENTRY_SIZE];
	struct spoe_writer head = spoe_writer(head_bytes, sizeof(head_bytes));
	struct spoe_writer entry =
	    spoe_writer(entry_bytes, sizeof(entry_bytes));

	return record_encode_head(&head, record) &&
	       spoe_writer_u8(&entry, MARK_RECORD) &&
	       spoe_writer_bytes(&entry,
	                         spoe_span(record_key, RECORD_KEY_SIZE)) &&
	       spoe_writer_u16(&entry, (uint16_t)head.size) &&
	       spoe_writer_u32(&entry, (uint32_t)record->response.size) &&
	       put(out, entry_bytes, entry.size) &&
	       put(out, head_bytes, head.size) &&
	       put(out, record->response.data, record->response.size);
}

bool cli_archive_end(FILE *out, uint64_t records)
{
	uint8_t bytes[1 + END_SIZE];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));

	return spoe_writer_u8(&w, MARK_END) && spoe_writer_u64(&w, records) &&
	       put(out, bytes, w.size);
}

const char *cli_archive_text(enum cli_archive_read result)
{
	static const char *const texts[] = {
	    [CLI_ARCHIVE_RECORD] = "",
	    [CLI_ARCHIVE_END] = "",
	    [CLI_ARCHIVE_FOREIGN] = ("not a file that `export` of this "
	                             "version wrote"),
	    [CLI_ARCHIVE_DAMAGED] = "damaged",
	    [CLI_ARCHIVE_CUT] = "it ends too early, or cannot be read",
	    [CLI_ARCHIVE_MEMORY] = "out of memory",
	};

	return texts[result];
}

enum cli_archive_read cli_archive_open(FILE *in)
{
	char bytes[sizeof(magic) - 1];

	if (fread(bytes, sizeof(bytes), 1, in) != 1 ||
	    memcmp(bytes, magic, sizeof(bytes)) != 0)
		return CLI_ARCHIVE_FOREIGN;
	return CLI_ARCHIVE_RECORD;
}

static enum cli_archive_read read_end(FILE *in, uint64_t n_before)
{
	uint8_t bytes[END_SIZE];
	struct spoe_reader r = spoe_reader(spoe_span(bytes, sizeof(bytes)));
	uint64_t records;

	if (fread(bytes, sizeof(bytes), 1, in) != 1)
		return CLI_ARCHIVE_CUT;
	if (!spoe_reader_u64(&r, &records) || records != n_before ||
	    getc(in) != EOF)
		return CLI_ARCHIVE_DAMAGED;
	return CLI_ARCHIVE_END;
}

/* Takes `bytes` (of the record, whose memory they are) apart. */
static enum cli_archive_read take(struct cli_record *record, size_t head_size,
                                  size_t response_size)
{
	const struct spoe_span response =
	    spoe_span(record->bytes + head_size, response_size);
	size_t size;

	if (record_decode_head(spoe_span(record->bytes, head_size),
	                       &record->record, &size) != REASON_NONE ||
	    size != response_size)
		return CLI_ARCHIVE_DAMAGED;
	if (size > 0 && record_check_response(response) != REASON_NONE)
		return CLI_ARCHIVE_DAMAGED;
	record->record.response = response;
	return CLI_ARCHIVE_RECORD;
}

static enum cli_archive_read read_entry(FILE *in, struct cli_record *record)
{
	uint8_t bytes[ENTRY_SIZE];
	struct spoe_reader r = spoe_reader(spoe_span(bytes, sizeof(bytes)));
	struct spoe_span record_key;
	uint16_t head_size;
	uint32_t response_size;

	if (fread(bytes, sizeof(bytes), 1, in) != 1)
		return CLI_ARCHIVE_CUT;
	if (!spoe_reader_bytes(&r, RECORD_KEY_SIZE, &record_key) ||
	    !spoe_reader_u16(&r, &head_size) ||
	    !spoe_reader_u32(&r, &response_size) || head_size == 0 ||
	    head_size > RECORD_HEAD_MAX || response_size > 2u * SPOE_FRAME_MAX)
		return CLI_ARCHIVE_DAMAGED;
	memcpy(record->record_key, record_key.data, RECORD_KEY_SIZE);
	record->bytes = malloc((size_t)head_size + response_size);
	if (!record->bytes)
		return CLI_ARCHIVE_MEMORY;
	if (fread(record->bytes, (size_t)head_size + response_size, 1, in) != 1)
		return CLI_ARCHIVE_CUT;
	return take(record, head_size, response_size);
}

enum cli_archive_read cli_archive_read(FILE *in, uint64_t n_before,
                                       struct cli_record *ret_record)
{
	struct cli_record record = {.bytes = NULL};
	enum cli_archive_read result;
	int mark = getc(in);

	if (mark == EOF)
		return CLI_ARCHIVE_CUT;
	if (mark == MARK_END)
		return read_end(in, n_before);
	if (mark != MARK_RECORD)
		return CLI_ARCHIVE_DAMAGED;
	result = read_entry(in, &record);
	if (result == CLI_ARCHIVE_RECORD)
		*ret_record = record;
	else
		cli_record_fini(&record);
	return result;
}
