// SPDX-License-Identifier: Apache-2.0
// The program that the tests run in a container: it prints what it sees there
// as one JSON object. With --probe it tries to read, write and create paths,
// with --exit N and --kill N it ends in a given way after printing. With --huge N
// it takes N huge pages first, and a signal ends it if the kernel refuses one; with
// --rdma PATH it opens a device of verbs and takes a handle of it.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void put_string(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f)
            printf("\\u%04x", *c); // Latin-1 for each byte: never invalid JSON.
        else
            putchar(*c);
    }
    putchar('"');
}

static void put_key(const char *key) {
    put_string(key);
    putchar(':');
}

static void put_text(const char *key, const char *text) {
    put_key(key);
    put_string(text);
    putchar(',');
}

static void put_number(const char *key, long long value) {
    put_key(key);
    printf("%lld,", value);
}

// An errno by its usual name, as far as a probe can meet it.
static const char *errno_name(int number) {
    const char *name = strerrorname_np(number);
    return name ? name : "?";
}

static void put_strings(const char *key, char *const *list) {
    put_key(key);
    putchar('[');
    for (size_t i = 0; list[i]; i++) {
        if (i)
            putchar(',');
        put_string(list[i]);
    }
    fputs("],", stdout);
}

static void put_ids(void) {
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid, groups[NGROUPS_MAX > 1024 ? 1024 : NGROUPS_MAX];
    getresuid(&ruid, &euid, &suid);
    getresgid(&rgid, &egid, &sgid);
    printf("\"uid\":[%u,%u,%u],", ruid, euid, suid);
    printf("\"gid\":[%u,%u,%u],", rgid, egid, sgid);
    int count = getgroups((int)(sizeof groups / sizeof *groups), groups);
    fputs("\"groups\":[", stdout);
    for (int i = 0; i < count; i++)
        printf("%s%u", i ? "," : "", groups[i]);
    fputs("],", stdout);
}

// The lines of /proc/self/status that say something about privilege.
static void put_status(void) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[4096];
    fputs("\"status\":{", stdout);
    bool first = true;
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = 0;
        char *value = colon + 1;
        value += strspn(value, " \t");
        value[strcspn(value, "\n")] = 0;
        if (!first)
            putchar(',');
        first = false;
        put_key(line);
        put_string(value);
    }
    fputs("},", stdout);
    if (file)
        fclose(file);
}

static void put_lines(const char *key, const char *path) {
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    bool first = true;
    put_key(key);
    putchar('[');
    while (file && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (!first)
            putchar(',');
        first = false;
        put_string(line);
    }
    fputs("],", stdout);
    free(line);
    if (file)
        fclose(file);
}

static void put_first_line(const char *key, const char *path) {
    char text[4096] = "";
    FILE *file = fopen(path, "re");
    if (file) {
        if (!fgets(text, sizeof text, file))
            text[0] = 0;
        fclose(file);
    }
    text[strcspn(text, "\n")] = 0;
    put_text(key, text);
}

static void put_limits(void) {
    static const struct {
        const char *name;
        int number;
    } limits[] = {
        {"as", RLIMIT_AS},         {"core", RLIMIT_CORE},
        {"cpu", RLIMIT_CPU},       {"data", RLIMIT_DATA},
        {"fsize", RLIMIT_FSIZE},   {"locks", RLIMIT_LOCKS},
        {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE},
        {"nice", RLIMIT_NICE},     {"nofile", RLIMIT_NOFILE},
        {"nproc", RLIMIT_NPROC},   {"rss", RLIMIT_RSS},
        {"rtprio", RLIMIT_RTPRIO}, {"rttime", RLIMIT_RTTIME},
        {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
    };
    fputs("\"rlimits\":{", stdout);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit = {0, 0};
        getrlimit((unsigned)limits[i].number, &limit);
        printf("%s\"%s\":[%lld,%lld]", i ? "," : "", limits[i].name,
               (long long)limit.rlim_cur, (long long)limit.rlim_max);
    }
    fputs("},", stdout); // -1 is "unlimited".
}

static void put_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    bool first = true;
    fputs("\"fds\":{", stdout);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        int number = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || number == dirfd(directory))
            continue;
        char path[64], target[PATH_MAX];
        snprintf(path, sizeof path, "/proc/self/fd/%d", number);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        printf("%s\"%d\":{", first ? "" : ",", number);
        first = false;
        put_text("target", target);
        put_number("flags", fcntl(number, F_GETFL));
        printf("\"cloexec\":%d}", fcntl(number, F_GETFD) & FD_CLOEXEC);
    }
    fputs("},", stdout);
    if (directory)
        closedir(directory);
}

static void put_namespaces(void) {
    DIR *directory = opendir("/proc/self/ns");
    bool first = true;
    fputs("\"namespaces\":{", stdout);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char path[300];
        struct stat info;
        snprintf(path, sizeof path, "/proc/self/ns/%s", entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &info) < 0)
            continue;
        printf("%s\"%s\":%llu", first ? "" : ",", entry->d_name,
               (unsigned long long)info.st_ino);
        first = false;
    }
    fputs("},", stdout);
    if (directory)
        closedir(directory);
}

static const char *type_name(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFCHR: return "char";
    case S_IFBLK: return "block";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    default: return "?";
    }
}

static void put_stat(const char *path, const struct stat *info) {
    char target[PATH_MAX] = "";
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    put_text("type", type_name(info->st_mode));
    put_text("target", target);
    put_number("mode", info->st_mode & 07777);
    put_number("uid", info->st_uid);
    put_number("gid", info->st_gid);
    put_number("size", info->st_size);
    put_number("major", major(info->st_rdev));
    printf("\"minor\":%u", minor(info->st_rdev));
}

static void put_devices(void) {
    DIR *directory = opendir("/dev");
    bool first = true;
    fputs("\"dev\":{", stdout);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char path[300];
        struct stat info;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            lstat(path, &info) < 0)
            continue;
        if (!first)
            putchar(',');
        first = false;
        put_key(entry->d_name);
        putchar('{');
        put_stat(path, &info);
        putchar('}');
    }
    fputs("},", stdout);
    if (directory)
        closedir(directory);
}

static void put_signals(void) {
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    const char *separator = "";
    fputs("\"blocked_signals\":[", stdout);
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&blocked, number) == 1) {
            printf("%s%d", separator, number);
            separator = ",";
        }
    fputs("],\"ignored_signals\":[", stdout);
    separator = "";
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 &&
            action.sa_handler == SIG_IGN) {
            printf("%s%d", separator, number);
            separator = ",";
        }
    }
    fputs("],", stdout);
}

static void put_terminal(void) {
    struct winsize size = {0};
    const char *name = isatty(0) ? ttyname(0) : NULL;
    fputs("\"tty\":", stdout);
    if (!isatty(0)) {
        fputs("null,", stdout);
        return;
    }
    ioctl(0, TIOCGWINSZ, &size);
    putchar('{');
    put_text("name", name ? name : "");
    put_number("rows", size.ws_row);
    put_number("columns", size.ws_col);
    put_number("foreground", tcgetpgrp(0));
    printf("\"session\":%d},", (int)tcgetsid(0));
}

static void put_clock(const char *key, clockid_t clock) {
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    put_key(key);
    printf("%lld.%09ld,", (long long)now.tv_sec, now.tv_nsec);
}

static void put_names(void) {
    struct utsname names;
    uname(&names);
    put_text("hostname", names.nodename);
    put_text("domainname", names.domainname);
    char cwd[PATH_MAX] = "";
    // A directory outside the root gives ENOENT here.
    if (!getcwd(cwd, sizeof cwd))
        snprintf(cwd, sizeof cwd, "errno %s", errno_name(errno));
    put_text("cwd", cwd);
    mode_t mask = umask(0);
    umask(mask);
    put_number("umask", mask);
}

// The processors it may run on, as numbers.
static void put_affinity(void) {
    cpu_set_t set;
    const char *separator = "";
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    fputs("\"affinity\":[", stdout);
    for (int number = 0; number < CPU_SETSIZE; number++)
        if (CPU_ISSET(number, &set)) {
            printf("%s%d", separator, number);
            separator = ",";
        }
    fputs("],", stdout);
}

// What it is to the scheduler and to the memory management.
static void put_scheduling(void) {
    struct sched_param param = {0};
    put_number("nice", getpriority(PRIO_PROCESS, 0));
    put_number("scheduler", sched_getscheduler(0));
    sched_getparam(0, &param);
    put_number("rt_priority", param.sched_priority);
    put_number("ioprio", syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0));
    put_number("personality", personality(0xffffffff));
    put_number("thp_disable", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    put_number("timerslack", prctl(PR_GET_TIMERSLACK));
    put_number("child_subreaper", (prctl(PR_GET_CHILD_SUBREAPER, &param.sched_priority),
                                   param.sched_priority));
    put_affinity();
    put_first_line("coredump_filter", "/proc/self/coredump_filter");
}

// The serials of the keyrings, none of which is made by asking; negative: errno.
static void put_keyrings(void) {
    static const struct {
        const char *name;
        int id;
    } keyrings[] = {{"thread", KEY_SPEC_THREAD_KEYRING},
                    {"process", KEY_SPEC_PROCESS_KEYRING},
                    {"session", KEY_SPEC_SESSION_KEYRING}};
    fputs("\"keyrings\":{", stdout);
    for (size_t i = 0; i < sizeof keyrings / sizeof *keyrings; i++) {
        long serial = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, keyrings[i].id, 0);
        printf("%s\"%s\":%ld", i ? "," : "", keyrings[i].name,
               serial < 0 ? -(long)errno : serial);
    }
    fputs("},", stdout);
}

static int try_open(const char *path, int flags) {
    int number = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    if (number < 0)
        return errno;
    close(number);
    return 0;
}

static int try_read(const char *path) {
    char byte;
    int number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (number < 0)
        return errno;
    ssize_t got = read(number, &byte, 1);
    // A directory opens but does not read: that is no refusal.
    int result = got < 0 && errno != EISDIR && errno != EAGAIN ? errno : 0;
    close(number);
    return result;
}

// In a directory a name below it is made, elsewhere the path itself. What was
// made is removed again.
static int try_create(const char *path) {
    struct stat info;
    char name[PATH_MAX];
    bool exists = stat(path, &info) == 0;
    if (exists && !S_ISDIR(info.st_mode))
        return try_open(path, O_WRONLY | O_CREAT);
    snprintf(name, sizeof name, exists ? "%s/.probe" : "%s", path);
    int result = try_open(name, O_WRONLY | O_CREAT | O_EXCL);
    if (result == 0)
        unlink(name);
    return result;
}

static void put_outcome(const char *key, int number, const char *separator) {
    put_key(key);
    if (number)
        put_string(errno_name(number));
    else
        fputs("null", stdout);
    fputs(separator, stdout);
}

static void put_probe(const char *path) {
    struct stat info;
    put_key(path);
    putchar('{');
    if (lstat(path, &info) < 0) {
        put_outcome("stat", errno, ",");
    } else {
        put_outcome("stat", 0, ",");
        put_stat(path, &info);
        putchar(',');
    }
    put_outcome("read", try_read(path), ",");
    put_outcome("write", try_open(path, O_WRONLY), ",");
    put_outcome("create", try_create(path), "}");
}

static void put_everything(char **argv) {
    put_ids();
    put_status();
    put_number("securebits", prctl(PR_GET_SECUREBITS));
    put_number("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    put_number("seccomp", prctl(PR_GET_SECCOMP));
    put_number("dumpable", prctl(PR_GET_DUMPABLE));
    put_number("keepcaps", prctl(PR_GET_KEEPCAPS));
    int death_signal = 0;
    prctl(PR_GET_PDEATHSIG, &death_signal);
    put_number("pdeathsig", death_signal);
    put_limits();
    put_names();
    put_strings("args", argv);
    put_strings("env", environ);
    put_descriptors();
    put_namespaces();
    put_lines("mountinfo", "/proc/self/mountinfo");
    put_lines("cgroup", "/proc/self/cgroup");
    put_lines("uid_map", "/proc/self/uid_map");
    put_lines("gid_map", "/proc/self/gid_map");
    put_first_line("setgroups", "/proc/self/setgroups");
    put_first_line("oom_score_adj", "/proc/self/oom_score_adj");
    put_first_line("label", "/proc/self/attr/current");
    put_first_line("apparmor", "/proc/self/attr/apparmor/current");
    put_first_line("next_label", "/proc/self/attr/exec");
    put_lines("timens_offsets", "/proc/self/timens_offsets");
    put_lines("links", "/proc/self/net/dev");
    put_clock("monotonic", CLOCK_MONOTONIC);
    put_clock("boottime", CLOCK_BOOTTIME);
    put_devices();
    put_signals();
    put_terminal();
    put_number("pid", getpid());
    put_number("ppid", getppid());
    put_number("pgid", getpgrp());
    put_number("sid", getsid(0));
    put_scheduling();
    put_keyrings();
}

// Map pages of 2 MiB and write to each. Which limit refuses them shows in how: one
// on reservations makes mmap fail, one on pages is a SIGBUS at the write.
static void take_huge_pages(int count) {
    size_t size = 2u << 20;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT);
    char *pages =
        mmap(NULL, (size_t)count * size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (pages == MAP_FAILED)
        exit(errno);
    for (int i = 0; i < count; i++)
        pages[(size_t)i * size] = 1;
}

// GET_CONTEXT of rdma/ib_user_verbs.h, which is a write(2).
static void take_rdma_handle(const char *path) {
    uint32_t answer[2];
    struct {
        uint32_t command;
        uint16_t in_words, out_words;
        uint64_t response;
    } request = {0, sizeof request / 4, sizeof answer / 4, (uintptr_t)answer};
    int fd = open(path, O_RDWR);
    if (fd < 0 || write(fd, &request, sizeof request) < 0)
        exit(errno);
}

int main(int argc, char **argv) {
    int code = 0, signal_number = 0, probes = argc;
    unsigned seconds = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--probe")) {
            probes = i + 1;
            break;
        }
        if (i + 1 < argc && !strcmp(argv[i], "--exit"))
            code = atoi(argv[++i]);
        else if (i + 1 < argc && !strcmp(argv[i], "--kill"))
            signal_number = atoi(argv[++i]);
        else if (i + 1 < argc && !strcmp(argv[i], "--sleep"))
            seconds = (unsigned)atoi(argv[++i]);
        else if (i + 1 < argc && !strcmp(argv[i], "--huge"))
            take_huge_pages(atoi(argv[++i]));
        else if (i + 1 < argc && !strcmp(argv[i], "--rdma"))
            take_rdma_handle(argv[++i]);
    }
    putchar('{');
    put_everything(argv);
    fputs("\"probes\":{", stdout);
    for (int i = probes; i < argc; i++) {
        if (i > probes)
            putchar(',');
        put_probe(argv[i]);
    }
    fputs("}}\n", stdout);
    fflush(stdout);
    if (seconds)
        sleep(seconds);
    if (signal_number)
        kill(getpid(), signal_number);
    return code;
}
