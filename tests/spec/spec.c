/*
 * Runs groups of the WebAssembly specification's test suite, as unpacked by
 * tar from the archive that WASMD_SPEC names or that lies beside the source.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "spec.h"

extern char **environ;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool unpack(const char *archive, const char *dir)
{
	const char *argv[] = { "tar", "-xJf", archive, "-C", dir, NULL };
	int status = -1;
	pid_t pid;

	if (posix_spawnp(&pid, "tar", NULL, NULL, (char **)(uintptr_t)argv, environ) != 0)
		return false;
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static int only_dirs(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static bool run_group(const char *root, const char *group, struct tally *all, struct skips *skips)
{
	struct tally t = { 0 };
	struct dirent **names;
	char dir[512], name[320];
	int n;

	(void)snprintf(dir, sizeof(dir), "%s/spec-3.0/%s", root, group);
	n = scandir(dir, &names, only_dirs, alphasort);
	if (n <= 0) {
		(void)printf("%s: no such group\n", group);
		return false;
	}
	for (int i = 0; i < n; i++) {
		(void)snprintf(dir, sizeof(dir), "%s/spec-3.0/%s/%s/", root, group,
			       names[i]->d_name);
		(void)snprintf(name, sizeof(name), "%s/%s", group, names[i]->d_name);
		script_run(dir, name, names[i]->d_name, &t, skips);
		free(names[i]);
	}
	free(names);
	(void)printf("%s: %u passed, %u failed, %u skipped\n", group, t.passed, t.failed,
		     t.skipped);
	all->passed += t.passed;
	all->failed += t.failed;
	all->skipped += t.skipped;
	return true;
}

static int run_groups(const char *root, int argc, char **argv)
{
	static char core[] = "core", bulk[] = "bulk-memory";
	static char *standard[] = { core, bulk };
	struct tally all = { 0 };
	struct skips skips = { 0 };
	bool ok = true;

	if (argc == 0) {
		argc = ARRAY_LEN(standard);
		argv = standard;
	}
	for (int i = 0; i < argc; i++)
		ok = run_group(root, argv[i], &all, &skips) && ok;
	for (unsigned i = 0; i < skips.len; i++)
		(void)printf("skipped: %s %u\n", skips.at[i].name, skips.at[i].n);
	(void)printf("%u passed, %u failed, %u skipped\n", all.passed, all.failed, all.skipped);
	return ok && all.failed == 0 && all.passed != 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *archive = getenv("WASMD_SPEC");
	char root[] = "spec-XXXXXX";
	int r = 1;

	if (archive == NULL || *archive == '\0')
		archive = SPEC_ARCHIVE;
	if (access(archive, R_OK) != 0) {
		(void)printf("SKIP spec-suite: %s is not there; name the specification's suite as "
			     "an archive of manifests in WASMD_SPEC\n",
			     archive);
		return 77;
	}
	if (mkdtemp(root) == NULL) {
		(void)printf("%s: %s\n", root, strerror(errno));
		return 1;
	}
	if (unpack(archive, root))
		r = run_groups(root, argc - 1, argv + 1);
	else
		(void)printf("%s: tar could not unpack it\n", archive);
	remove_tree(root);
	return r;
}
