/* The SQLite file: see store.h. Statements are rows, prepared on first use. */
#include "daemon/front/store.h"

#include <sqlite3.h>
#include <string.h>

/* clang-format off */
#define STATEMENTS(Q)                                                                            \
	Q(MODULE_PUT,    "INSERT OR IGNORE INTO modules VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)") \
	Q(MODULE_GET,    "SELECT digest,size,created,functions,imports,exports,memory_pages,"    \
			 "memory_max_pages,command FROM modules WHERE tenant=?1 AND digest=?2")  \
	Q(MODULE_DROP,   "DELETE FROM modules WHERE tenant=?1 AND digest=?2")                    \
	Q(MODULE_ANY,    "SELECT 1 FROM modules WHERE digest=?1 LIMIT 1")                        \
	Q(MODULE_EACH,   "SELECT digest,size,created,functions,imports,exports,memory_pages,"    \
			 "memory_max_pages,command FROM modules WHERE tenant=?1 ORDER BY created") \
	Q(MODULE_PREFIX, "SELECT digest FROM modules WHERE tenant=?1 AND "                       \
			 "substr(lower(hex(digest)),1,length(?2))=?2 LIMIT 2")                   \
	Q(MODULE_COUNT,  "SELECT count(*) FROM modules WHERE tenant=?1")                         \
	Q(NAME_PUT,      "INSERT OR REPLACE INTO names VALUES(?1,?2,?3)")                        \
	Q(NAME_GET,      "SELECT digest FROM names WHERE tenant=?1 AND name=?2")                 \
	Q(NAME_EACH,     "SELECT name FROM names WHERE tenant=?1 AND digest=?2 ORDER BY name")   \
	Q(NAME_DROP,     "DELETE FROM names WHERE tenant=?1 AND digest=?2")                      \
	Q(POLICY_PUT,    "INSERT OR IGNORE INTO policies VALUES(?1,?2,?3)")                      \
	Q(POLICY_GET,    "SELECT text FROM policies WHERE tenant=?1 AND digest=?2")              \
	Q(INST_PUT,      "INSERT OR REPLACE INTO instances VALUES(?1,?2,?3,?4,?5,?6,?7)")        \
	Q(INST_DROP,     "DELETE FROM instances WHERE tenant=?1 AND id=?2")                      \
	Q(INST_EACH,     "SELECT tenant,id,name,state,created,spec,outcome FROM instances "      \
			 "ORDER BY created")
/* clang-format on */

enum statement {
#define Q(name, sql) Q_##name,
	STATEMENTS(Q)
#undef Q
		Q_COUNT,
};

static const char *const statement_sql[] = {
#define Q(name, sql) [Q_##name] = (sql),
	STATEMENTS(Q)
#undef Q
};

/* migrations[n] brings schema n to n + 1. */
static const char *const migrations[] = {
	"CREATE TABLE modules(tenant TEXT NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL,"
	" created INTEGER NOT NULL, functions INTEGER, imports INTEGER, exports INTEGER,"
	" memory_pages INTEGER, memory_max_pages INTEGER, command INTEGER,"
	" PRIMARY KEY(tenant, digest)) WITHOUT ROWID;"
	"CREATE TABLE names(tenant TEXT NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL,"
	" PRIMARY KEY(tenant, name)) WITHOUT ROWID;"
	"CREATE TABLE policies(tenant TEXT NOT NULL, digest BLOB NOT NULL, text TEXT NOT NULL,"
	" PRIMARY KEY(tenant, digest)) WITHOUT ROWID;"
	"CREATE TABLE instances(tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,"
	" state TEXT NOT NULL, created INTEGER NOT NULL, spec TEXT NOT NULL,"
	" outcome TEXT NOT NULL, PRIMARY KEY(tenant, id)) WITHOUT ROWID;",
};
_Static_assert(ARRAY_LEN(migrations) == STORE_SCHEMA, "one step per version");

struct store {
	sqlite3 *db;
	sqlite3_stmt *q[Q_COUNT];
};

static int store_err(struct store *s, struct err *e)
{
	bool full = (sqlite3_errcode(s->db) & 0xff) == SQLITE_FULL;

	(void)err_set(e, full ? ERR_QUOTA : ERR_IO, "the store: %s", sqlite3_errmsg(s->db));
	return full ? err_hint(e, "the state directory's disk is full") : e->code;
}

static int store_exec(struct store *s, const char *sql, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_err(s, e);
}

static int store_version(struct store *s, int *ret, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW)
		r = store_err(s, e);
	else
		*ret = sqlite3_column_int(q, 0);
	(void)sqlite3_finalize(q);
	return r;
}

static int migrate_step(struct store *s, int from, struct err *e)
{
	char mark[64];

	(void)snprintf(mark, sizeof(mark), "PRAGMA user_version=%d; COMMIT", from + 1);
	if (store_exec(s, "BEGIN IMMEDIATE", e) < 0 || store_exec(s, migrations[from], e) < 0 ||
	    store_exec(s, mark, e) < 0) {
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
		return e->code;
	}
	return 0;
}

static int store_migrate(struct store *s, struct err *e)
{
	int version = 0;

	if (store_version(s, &version, e) < 0)
		return e->code;
	if (version < 0 || version > STORE_SCHEMA)
		return err_set(e, ERR_STATE, "the store has schema %d, this daemon knows up to %d",
			       version, STORE_SCHEMA);
	for (; version < STORE_SCHEMA; version++)
		if (migrate_step(s, version, e) < 0)
			return e->code;
	return 0;
}

int store_open(const char *path, struct store **ret, struct err *e)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK) {
		(void)err_set(e, ERR_IO, "the store %s: %s", path,
			      s->db != NULL ? sqlite3_errmsg(s->db) : "out of memory");
		goto fail;
	}
	(void)sqlite3_busy_timeout(s->db, 10000); /* a front before us is just ending */
	if (store_exec(s,
		       "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
		       " PRAGMA synchronous=FULL;",
		       e) < 0 ||
	    store_migrate(s, e) < 0)
		goto fail;
	*ret = s;
	return 0;
fail:
	(void)store_close(s);
	return e->code;
}

struct store *store_close(struct store *s)
{
	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < Q_COUNT; i++)
		(void)sqlite3_finalize(s->q[i]);
	(void)sqlite3_close(s->db);
	free(s);
	return NULL;
}

int store_begin(struct store *s, struct err *e)
{
	return store_exec(s, "BEGIN IMMEDIATE", e);
}

int store_commit(struct store *s, struct err *e)
{
	if (store_exec(s, "COMMIT", e) < 0)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return e->code;
}

/* The statement, reset and ready to bind; NULL latches the error. */
static sqlite3_stmt *ready(struct store *s, enum statement n, struct err *e)
{
	if (s->q[n] == NULL &&
	    sqlite3_prepare_v3(s->db, statement_sql[n], -1, SQLITE_PREPARE_PERSISTENT, &s->q[n],
			       NULL) != SQLITE_OK) {
		(void)store_err(s, e);
		return NULL;
	}
	(void)sqlite3_reset(s->q[n]);
	return s->q[n];
}

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
	(void)sqlite3_bind_text(q, at, text, -1, SQLITE_STATIC);
}

static void bind_digest(sqlite3_stmt *q, int at, const uint8_t *digest)
{
	(void)sqlite3_bind_blob(q, at, digest, DIGEST_BYTES, SQLITE_STATIC);
}

/* Runs a statement that answers no rows. */
static int finish(struct store *s, sqlite3_stmt *q, struct err *e)
{
	int r = sqlite3_step(q);

	if (r != SQLITE_DONE)
		(void)store_err(s, e);
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return r == SQLITE_DONE ? 0 : e->code;
}

static bool column_digest(sqlite3_stmt *q, int at, uint8_t *ret)
{
	const void *blob = sqlite3_column_blob(q, at);

	if (blob == NULL || sqlite3_column_bytes(q, at) != DIGEST_BYTES)
		return false;
	memcpy(ret, blob, DIGEST_BYTES);
	return true;
}

static const char *column_text(sqlite3_stmt *q, int at)
{
	const char *t = (const char *)sqlite3_column_text(q, at);

	return t != NULL ? t : "";
}

/* ---- modules ------------------------------------------------------------ */

int store_module_put(struct store *s, const char *tenant, const struct store_module *m,
		     struct err *e)
{
	const int64_t rest[] = { m->size,    m->created,      m->functions,	   m->imports,
				 m->exports, m->memory_pages, m->memory_max_pages, m->command };
	sqlite3_stmt *q = ready(s, Q_MODULE_PUT, e);

	if (q == NULL)
		return e->code;
	bind_text(q, 1, tenant);
	bind_digest(q, 2, m->digest);
	for (size_t i = 0; i < ARRAY_LEN(rest); i++)
		(void)sqlite3_bind_int64(q, 3 + (int)i, rest[i]);
	return finish(s, q, e);
}

static bool module_row(sqlite3_stmt *q, struct store_module *m)
{
	*m = (struct store_module){
		.size = sqlite3_column_int64(q, 1),
		.created = sqlite3_column_int64(q, 2),
		.functions = sqlite3_column_int64(q, 3),
		.imports = sqlite3_column_int64(q, 4),
		.exports = sqlite3_column_int64(q, 5),
		.memory_pages = sqlite3_column_int64(q, 6),
		.memory_max_pages = sqlite3_column_int64(q, 7),
		.command = sqlite3_column_int(q, 8) != 0,
	};
	return column_digest(q, 0, m->digest);
}

int store_module_get(struct store *s, const char *tenant, const uint8_t *digest,
		     struct store_module *ret, struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_MODULE_GET, e);
	int r;

	if (q == NULL)
		return e->code;
	bind_text(q, 1, tenant);
	bind_digest(q, 2, digest);
	r = sqlite3_step(q);
	if (r == SQLITE_ROW && module_row(q, ret))
		r = 0;
	else
		r = r == SQLITE_DONE ? ERR_NOTFOUND : store_err(s, e);
	(void)sqlite3_reset(q);
	return r;
}

int store_module_drop(struct store *s, const char *tenant, const uint8_t *digest, struct err *e)
{
	static const enum statement both[] = { Q_NAME_DROP, Q_MODULE_DROP };

	if (store_begin(s, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		sqlite3_stmt *q = ready(s, both[i], e);

		if (q == NULL)
			break;
		bind_text(q, 1, tenant);
		bind_digest(q, 2, digest);
		if (finish(s, q, e) < 0)
			break;
	}
	if (e->code != 0 || store_exec(s, "COMMIT", e) < 0)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return e->code;
}

bool store_module_wanted(struct store *s, const uint8_t *digest)
{
	struct err e = { 0 };
	sqlite3_stmt *q = ready(s, Q_MODULE_ANY, &e);
	bool wanted;

	if (q == NULL)
		return true;
	bind_digest(q, 1, digest);
	wanted = sqlite3_step(q) != SQLITE_DONE; /* in doubt it is kept */
	(void)sqlite3_reset(q);
	return wanted;
}

int store_module_each(struct store *s, const char *tenant,
		      int (*row)(void *arg, const struct store_module *m), void *arg, struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_MODULE_EACH, e);
	struct store_module m;
	int r;

	if (q == NULL)
		return e->code;
	bind_text(q, 1, tenant);
	while ((r = sqlite3_step(q)) == SQLITE_ROW)
		if (module_row(q, &m) && row(arg, &m) < 0) {
			(void)err_nomem(e);
			break;
		}
	if (r != SQLITE_DONE && r != SQLITE_ROW)
		(void)store_err(s, e);
	(void)sqlite3_reset(q);
	return e->code;
}

int store_module_prefix(struct store *s, const char *tenant, const char *prefix,
			uint8_t ret[DIGEST_BYTES])
{
	struct err e = { 0 };
	sqlite3_stmt *q = ready(s, Q_MODULE_PREFIX, &e);
	int n = 0;

	if (q == NULL)
		return 0;
	bind_text(q, 1, tenant);
	bind_text(q, 2, prefix);
	while (sqlite3_step(q) == SQLITE_ROW && column_digest(q, 0, ret))
		n++;
	(void)sqlite3_reset(q);
	return n;
}

int64_t store_module_count(struct store *s, const char *tenant)
{
	struct err e = { 0 };
	sqlite3_stmt *q = ready(s, Q_MODULE_COUNT, &e);
	int64_t n = 0;

	if (q == NULL)
		return 0;
	bind_text(q, 1, tenant);
	if (sqlite3_step(q) == SQLITE_ROW)
		n = sqlite3_column_int64(q, 0);
	(void)sqlite3_reset(q);
	return n;
}

/* ---- names -------------------------------------------------------------- */

int store_name_put(struct store *s, const char *tenant, const char *name, const uint8_t *digest,
		   struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_NAME_PUT, e);

	if (q == NULL)
		return e->code;
	bind_text(q, 1, tenant);
	bind_text(q, 2, name);
	bind_digest(q, 3, digest);
	return finish(s, q, e);
}

bool store_name_get(struct store *s, const char *tenant, const char *name,
		    uint8_t ret[DIGEST_BYTES])
{
	struct err e = { 0 };
	sqlite3_stmt *q = ready(s, Q_NAME_GET, &e);
	bool found;

	if (q == NULL)
		return false;
	bind_text(q, 1, tenant);
	bind_text(q, 2, name);
	found = sqlite3_step(q) == SQLITE_ROW && column_digest(q, 0, ret);
	(void)sqlite3_reset(q);
	return found;
}

int store_name_each(struct store *s, const char *tenant, const uint8_t *digest,
		    int (*row)(void *arg, const char *name), void *arg, struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_NAME_EACH, e);

	if (q == NULL)
		return e->code;
	bind_text(q, 1, tenant);
	bind_digest(q, 2, digest);
	while (sqlite3_step(q) == SQLITE_ROW)
		if (row(arg, column_text(q, 0)) < 0) {
			(void)err_nomem(e);
			break;
		}
	(void)sqlite3_reset(q);
	return e->code;
}

/* ---- policies ----------------------------------------------------------- */

int store_policy_put(struct store *s, const char *tenant, const uint8_t *digest, const char *text,
		     struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_POLICY_PUT, e);

	if (q == NULL)
		return e->code;
	bind_text(q, 1, tenant);
	bind_digest(q, 2, digest);
	bind_text(q, 3, text);
	return finish(s, q, e);
}

char *store_policy_get(struct store *s, const char *tenant, const uint8_t *digest)
{
	struct err e = { 0 };
	sqlite3_stmt *q = ready(s, Q_POLICY_GET, &e);
	char *text = NULL;

	if (q == NULL)
		return NULL;
	bind_text(q, 1, tenant);
	bind_digest(q, 2, digest);
	if (sqlite3_step(q) == SQLITE_ROW)
		text = strdup(column_text(q, 0));
	(void)sqlite3_reset(q);
	return text;
}

/* ---- instances ---------------------------------------------------------- */

int store_instance_put(struct store *s, const struct store_instance *i, struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_INST_PUT, e);

	if (q == NULL)
		return e->code;
	bind_text(q, 1, i->tenant);
	bind_text(q, 2, i->id);
	bind_text(q, 3, i->name);
	bind_text(q, 4, i->state);
	(void)sqlite3_bind_int64(q, 5, i->created);
	bind_text(q, 6, i->spec);
	bind_text(q, 7, i->outcome);
	return finish(s, q, e);
}

int store_instance_drop(struct store *s, const char *tenant, const char *id, struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_INST_DROP, e);

	if (q == NULL)
		return e->code;
	bind_text(q, 1, tenant);
	bind_text(q, 2, id);
	return finish(s, q, e);
}

int store_instance_each(struct store *s, int (*row)(void *arg, const struct store_instance *i),
			void *arg, struct err *e)
{
	sqlite3_stmt *q = ready(s, Q_INST_EACH, e);

	if (q == NULL)
		return e->code;
	while (sqlite3_step(q) == SQLITE_ROW) {
		const struct store_instance i = {
			.tenant = column_text(q, 0),
			.id = column_text(q, 1),
			.name = column_text(q, 2),
			.state = column_text(q, 3),
			.created = sqlite3_column_int64(q, 4),
			.spec = column_text(q, 5),
			.outcome = column_text(q, 6),
		};

		if (row(arg, &i) < 0) {
			(void)err_nomem(e);
			break;
		}
	}
	(void)sqlite3_reset(q);
	return e->code;
}
