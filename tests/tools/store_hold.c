/* tests/tools/store_hold.c: a process that keeps the embedded store's write
 * lock, so that whoever must write hangs.
 *
 *     store_hold DIRECTORY     says "held", and lets go at SIGTERM */
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	MDB_env *env = NULL;
	MDB_txn *txn;
	sigset_t signals;
	int signal;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: store_hold DIRECTORY\n");
		return EXIT_FAILURE;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	rc = mdb_env_create(&env);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(env, 8);
	if (rc == 0)
		rc = mdb_env_open(env, argv[1], 0, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (rc != 0) {
		fprintf(stderr, "store_hold: %s: %s\n", argv[1],
		        mdb_strerror(rc));
		return EXIT_FAILURE;
	}
	printf("held\n");
	fflush(stdout);
	sigwait(&signals, &signal);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return EXIT_SUCCESS;
}
