// SPDX-License-Identifier: Apache-2.0
//
// The kernel's floor of a container launch: nothing but the system calls that the
// default OCI configuration asks for (without cgroups), from a small static process.
// What a runtime needs beyond this figure is its own doing.
//
//   floor [-n N] [-q] [-s] [-T] [-U] [-N] [-C] [-G] [-2] [-H] [-E PID] ROOTFS PROGRAM...
//
//   -n N  launch N times and print one line of JSON (default 20)
//   -q    before each launch wait until the machine is quiet ("cold")
//   -s    serve: for each line on stdin launch once, answer the microseconds that
//         passed, and those of processor time used until then
//   -T    enter a kept template mount namespace, do not copy the caller's
//   -U    with a user namespace (host ids 0 to 65535 mapped to themselves)
//   -N    without a network namespace
//   -C    with a cgroup namespace
//   -G    with a cgroup in each v1 hierarchy, and the device rules of `runc spec`
//   -2    with a cgroup in the v2 hierarchy, and the shortest program for its devices
//   -H    a hand-out: the container waits, ready for its program, one that lives on;
//         what is timed is the word to it until it has executed
//   -E    execute the program in the container of that process instead of making one;
//         with -G in its v1 cgroups, too
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// sys/mount.h and linux/mount.h cannot be included together before glibc 2.37.
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);

enum { DETACH = 2, P_BY_PIDFD = 3, SAMPLES_MAX = 100000, QUIET_MS = 50 };

static struct {
    int runs;
    bool quiet, serve, template, userns, no_netns, cgroupns, cgroups, unified, hand_out;
    const char *rootfs;
    char *const *program;  // and its arguments
    int template_fd;
    int last_cap;
    int within;  // pid of a process of the container; 0: make one
    int within_fd;
} opt = {.runs = 20, .template_fd = -1};

static const char *const masked[] = {
    "/proc/acpi",        "/proc/asound",      "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
    "/sys/firmware",     "/sys/devices/virtual/powercap"};
static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq",
                                       "/proc/sys", "/proc/sysrq-trigger"};
static const struct {
    const char *name;
    unsigned major, minor;
} nodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
             {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                       {"/proc/self/fd/0", "/dev/stdin"},
                                       {"/proc/self/fd/1", "/dev/stdout"},
                                       {"/proc/self/fd/2", "/dev/stderr"},
                                       {"pts/ptmx", "/dev/ptmx"}};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEPT_CAPS \
    (1U << CAP_AUDIT_WRITE | 1U << CAP_KILL | 1U << CAP_NET_BIND_SERVICE)

__attribute__((noreturn)) static void die(const char *what)
{
    dprintf(2, "floor: %s: %s\n", what, strerror(errno));
    _exit(125);
}

#define TRY(call)                  \
    do {                           \
        if ((call) < 0) die(#call); \
    } while (0)

static int open_tree_clone(const char *path)
{
    return (int)syscall(SYS_open_tree, AT_FDCWD, path,
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int move_tree(int fd, const char *path)
{
    return (int)syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static int set_read_only(const char *path)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    return (int)syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &attr, sizeof attr);
}

// ---- cgroups, v1

enum { GROUPS_MAX = 16 };
static struct {
    char path[256];
    bool cpuset, devices;
    int tasks;
} groups[GROUPS_MAX];
static int ngroups;

static void put(const char *directory, const char *file, const char *text)
{
    char path[512];
    int fd;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    TRY(fd = open(path, O_WRONLY | O_CLOEXEC));
    TRY(write(fd, text, strlen(text)));
    close(fd);
}

// Finds our own cgroup, or that of the container, in each v1 hierarchy that is mounted
// in /sys/fs/cgroup.
static void find_groups(void)
{
    char line[512], child[32] = "", file[64] = "/proc/self/cgroup";
    if (opt.within) snprintf(file, sizeof file, "/proc/%d/cgroup", opt.within);
    else snprintf(child, sizeof child, "/floor-%d", (int)getpid());
    FILE *own = fopen(file, "re");
    while (own && fgets(line, sizeof line, own) && ngroups < GROUPS_MAX) {
        char *name = strchr(line, ':') + 1, *path = strchr(name, ':');
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        if (!*name) continue;
        groups[ngroups].cpuset = strcmp(name, "cpuset") == 0;
        groups[ngroups].devices = strcmp(name, "devices") == 0;
        if (strncmp(name, "name=", 5) == 0) name += 5;
        char *const at = groups[ngroups].path;
        snprintf(at, sizeof groups[0].path, "/sys/fs/cgroup/%s%s", name,
                 strcmp(path, "/") ? path : "");
        // A hierarchy may be there and mounted nowhere.
        if (access(at, F_OK)) continue;
        strncat(at, child, sizeof groups[0].path - strlen(at) - 1);
        ngroups++;
    }
    if (own) fclose(own);
}

static void copy_from_parent(const char *directory, const char *file)
{
    char path[512], text[256];
    int fd;
    snprintf(path, sizeof path, "%s/../%s", directory, file);
    TRY(fd = open(path, O_RDONLY | O_CLOEXEC));
    ssize_t got = read(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = 0;
    close(fd);
    put(directory, file, text);
}

static void open_groups(void)
{
    char path[512];
    for (int i = 0; i < ngroups; i++) {
        snprintf(path, sizeof path, "%s/tasks", groups[i].path);
        TRY(groups[i].tasks = open(path, O_WRONLY | O_CLOEXEC));
    }
}

static void close_groups(void)
{
    for (int i = 0; i < ngroups; i++) close(groups[i].tasks);
}

static void make_groups(void)
{
    for (int i = 0; i < ngroups; i++) {
        TRY(mkdir(groups[i].path, 0755));
        if (groups[i].cpuset) {
            copy_from_parent(groups[i].path, "cpuset.cpus");
            copy_from_parent(groups[i].path, "cpuset.mems");
        }
        if (groups[i].devices) {
            static const char *const allowed[] = {
                "c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:8 rwm",   "c 1:7 rwm",
                "c 5:0 rwm", "c 1:5 rwm", "c 1:9 rwm", "c 136:* rwm", "c 5:2 rwm"};
            put(groups[i].path, "devices.deny", "a");
            for (size_t k = 0; k < COUNT(allowed); k++)
                put(groups[i].path, "devices.allow", allowed[k]);
        }
    }
    open_groups();
}

// "0" is the writer itself: a pid would wait for every processor.
static void enter_groups(void)
{
    for (int i = 0; i < ngroups; i++) TRY(write(groups[i].tasks, "0", 1));
}

static void remove_groups(void)
{
    close_groups();
    for (int i = 0; i < ngroups; i++) TRY(rmdir(groups[i].path));
}

// ---- cgroup v2

static char unified[256];

static void find_unified(void)
{
    const char *top = "/sys/fs/cgroup/unified";
    char line[512];
    FILE *own = fopen("/proc/self/cgroup", "re");
    if (access("/sys/fs/cgroup/unified/cgroup.procs", F_OK)) top = "/sys/fs/cgroup";
    while (own && fgets(line, sizeof line, own)) {
        if (strncmp(line, "0::", 3)) continue;
        line[strcspn(line, "\n")] = 0;
        const char *path = strcmp(line + 3, "/") ? line + 3 : "";
        snprintf(unified, sizeof unified, "%s%.200s/floor-%d", top, path, (int)getpid());
    }
    if (own) fclose(own);
}

// "return 1;"
static int load_device_program(void)
{
    static const struct bpf_insn all[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                           .insns = (uint64_t)(uintptr_t)all,
                           .insn_cnt = COUNT(all),
                           .license = (uint64_t)(uintptr_t)"Apache-2.0"};
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

// Returns an fd of the cgroup, for clone3.
static int make_unified(void)
{
    int group, program;
    TRY(mkdir(unified, 0755));
    TRY(group = open(unified, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    TRY(program = load_device_program());
    union bpf_attr attr = {.target_fd = (uint32_t)group,
                           .attach_bpf_fd = (uint32_t)program,
                           .attach_type = BPF_CGROUP_DEVICE,
                           .attach_flags = BPF_F_ALLOW_MULTI};
    TRY(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr));
    close(program);
    return group;
}

// Attaches the tree of the rootfs and stands in it; enter_root() makes it the root.
static void attach_rootfs(int tree)
{
    const char *at = opt.template ? "/root" : opt.rootfs;
    if (opt.template) {
        TRY(syscall(SYS_setns, opt.template_fd, CLONE_NEWNS));
        TRY(syscall(SYS_unshare, CLONE_NEWNS));
    } else {
        TRY(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
        TRY(tree = open_tree_clone(opt.rootfs));
    }
    TRY(move_tree(tree, at));
    TRY(chdir(at));
    close(tree);
}

static void make_devices(void)
{
    char path[64], host[64];
    for (size_t i = 0; i < COUNT(nodes); i++) {
        snprintf(path, sizeof path, "dev/%s", nodes[i].name);
        if (!opt.userns) {
            TRY(mknod(path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
            continue;
        }
        // A user namespace may not make device nodes: bind the host's.
        snprintf(host, sizeof host, "/dev/%s", nodes[i].name);
        TRY(mknod(path, S_IFREG | 0666, 0));
        TRY(mount(host, path, NULL, MS_BIND, NULL));
    }
}

static void mount_filesystems(void)
{
    const unsigned long safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    TRY(mount("proc", "proc", "proc", 0, NULL));
    TRY(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME,
              "mode=755,size=65536k"));
    TRY(mkdir("dev/pts", 0755));
    TRY(mkdir("dev/shm", 0755));
    TRY(mkdir("dev/mqueue", 0755));
    TRY(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
              "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    TRY(mount("shm", "dev/shm", "tmpfs", safe, "mode=1777,size=65536k"));
    TRY(mount("mqueue", "dev/mqueue", "mqueue", safe, NULL));
    TRY(mount("sysfs", "sys", "sysfs", safe | MS_RDONLY, NULL));
    make_devices();
    for (size_t i = 0; i < COUNT(links); i++) TRY(symlink(links[i][0], links[i][1] + 1));
}

static void enter_root(void)
{
    TRY(syscall(SYS_pivot_root, ".", "."));
    TRY(umount2(".", DETACH));
    TRY(chdir("/"));
}

static void hide_paths(void)
{
    for (size_t i = 0; i < COUNT(masked); i++) {
        // A probe costs 2 us, a bind that fails because of the type 26 us and more.
        int fd = open(masked[i], O_PATH | O_CLOEXEC);
        if (fd < 0) continue;
        struct stat st;
        TRY(fstat(fd, &st));
        close(fd);
        if (S_ISDIR(st.st_mode))
            TRY(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "size=0k"));
        else
            TRY(mount("/dev/null", masked[i], NULL, MS_BIND, NULL));
    }
    for (size_t i = 0; i < COUNT(readonly); i++) {
        const int failed = mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL);
        if (failed && errno == ENOENT) continue;
        TRY(failed);
        TRY(set_read_only(readonly[i]));
    }
    TRY(set_read_only("/"));
}

static void raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd;
    TRY(fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    TRY(ioctl(fd, SIOCSIFFLAGS, &request));
    close(fd);
}

// In the container: where it says that it is ready and waits for the word; -1: nowhere.
static int gate = -1;

static void drop_privileges(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {
        {.effective = KEPT_CAPS, .permitted = KEPT_CAPS, .inheritable = KEPT_CAPS}};
    struct rlimit files = {1024, 1024};

    TRY(setsid());
    TRY(setrlimit(RLIMIT_NOFILE, &files));
    for (int cap = 0; cap <= opt.last_cap; cap++)
        if (cap >= 32 || !(KEPT_CAPS >> cap & 1U)) TRY(prctl(PR_CAPBSET_DROP, cap));
    TRY(syscall(SYS_setgroups, 0, NULL));
    TRY(syscall(SYS_setresgid, 0, 0, 0));
    TRY(syscall(SYS_setresuid, 0, 0, 0));
    TRY(syscall(SYS_capset, &head, caps));
    for (int cap = 0; cap < 32; cap++)
        if (KEPT_CAPS >> cap & 1U)
            TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

__attribute__((noreturn)) static void execute(void)
{
    char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    drop_privileges();
    TRY(syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC));
    if (gate >= 0) {
        char go;
        TRY(prctl(PR_SET_PDEATHSIG, SIGKILL));
        TRY(write(gate, "r", 1));
        if (read(gate, &go, 1) != 1) _exit(0);
    }
    execve(opt.program[0], opt.program, envp);
    die("execve");
}

__attribute__((noreturn)) static void become_container(int tree, int mapped)
{
    char go;
    if (mapped >= 0 && read(mapped, &go, 1) != 1) die("wait for the id maps");
    umask(0);
    enter_groups();
    attach_rootfs(tree);
    mount_filesystems();
    enter_root();
    hide_paths();
    TRY(sethostname("floor", 5));
    if (!opt.no_netns) raise_loopback();
    umask(022);
    execute();
}

static void write_file(pid_t pid, const char *name, const char *text)
{
    char path[64];
    int fd;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    TRY(fd = open(path, O_WRONLY | O_CLOEXEC));
    TRY(write(fd, text, strlen(text)));
    close(fd);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

// Waits for the end; tells whether the program ended well.
static bool reap(int pidfd)
{
    siginfo_t info;
    TRY(syscall(SYS_waitid, P_BY_PIDFD, pidfd, &info, WEXITED, NULL));
    close(pidfd);
    return info.si_code == CLD_EXITED && info.si_status == 0;
}

// One more process in a container that is there.
static double enter(void)
{
    const double begin = now_us();
    int pidfd = -1;
    struct clone_args args = {.flags = CLONE_PIDFD,
                              .pidfd = (uint64_t)(uintptr_t)&pidfd,
                              .exit_signal = SIGCHLD};
    open_groups();
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    TRY(pid);
    if (pid == 0) {
        TRY(syscall(SYS_setns, opt.within_fd,
                    CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
        enter_groups();
        TRY(chdir("/"));
        execute();
    }
    close_groups();
    return reap(pidfd) ? now_us() - begin : -1;
}

// Only a child is in the pid namespace that is joined; nobody else is to be one.
static void join_pids(void)
{
    TRY(opt.within_fd = (int)syscall(SYS_pidfd_open, opt.within, 0));
    TRY(syscall(SYS_setns, opt.within_fd, CLONE_NEWPID));
}

// The containers to be handed out, more than a block of samples takes, and those that
// were: they live on, so that the end of none goes on beside a sample.
enum { READY = 13, SETTLED_US = 300000, BEGUN_US = 2000 };
static struct {
    int pidfd, gate;
} waiting[READY];
static int nwaiting, nused;

static double launch(void);

static void prepare(void)
{
    int ends[2];
    char ready;
    TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    gate = ends[1];
    waiting[nwaiting].gate = ends[0];
    TRY(launch());
    gate = -1;
    close(ends[1]);
    if (read(ends[0], &ready, 1) != 1) die("wait for the container");
    nwaiting++;
}

static void refill(void)
{
    while (nused > 0) {
        nused--;
        TRY(syscall(SYS_pidfd_send_signal, waiting[nwaiting + nused].pidfd, SIGKILL,
                    NULL, 0));
        reap(waiting[nwaiting + nused].pidfd);
    }
    while (nwaiting < READY) prepare();
    usleep(SETTLED_US);  // the kernel takes down what was killed for a while yet
}

// From the word until the program has been executed, which closes the other end.
static double hand_out(void)
{
    char none;
    const int host = waiting[--nwaiting].gate;
    nused++;
    usleep(BEGUN_US);  // until the program of the last has begun
    const double begin = now_us();
    TRY(write(host, "g", 1));
    ssize_t got = read(host, &none, 1);
    const double taken = now_us() - begin;
    close(host);
    return got == 0 ? taken : -1;
}

// One launch, from the first system call to the exit status; microseconds, or a
// negative number when the program or the set-up failed.
static double launch(void)
{
    const double begin = now_us();
    int pidfd = -1, maps[2] = {-1, -1}, tree = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD};

    make_groups();
    if (opt.unified) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)make_unified();
    }
    if (opt.template) TRY(tree = open_tree_clone(opt.rootfs));
    else args.flags |= CLONE_NEWNS;
    if (!opt.no_netns) args.flags |= CLONE_NEWNET;
    if (opt.cgroupns) args.flags |= CLONE_NEWCGROUP;
    if (opt.userns) {
        args.flags |= CLONE_NEWUSER;
        TRY(pipe2(maps, O_CLOEXEC));
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    TRY(pid);
    if (pid == 0) become_container(tree, maps[0]);
    if (tree >= 0) close(tree);
    if (opt.userns) {
        write_file(pid, "uid_map", "0 0 65536");
        write_file(pid, "gid_map", "0 0 65536");
        TRY(write(maps[1], "g", 1));
        TRY(syscall(SYS_close_range, maps[0], maps[1], 0));
    }
    if (gate >= 0) {
        waiting[nwaiting].pidfd = pidfd;
        return 0;
    }
    const bool good = reap(pidfd);
    remove_groups();
    if (opt.unified) {
        close((int)args.cgroup);
        TRY(rmdir(unified));
    }
    return good ? now_us() - begin : -1;
}

static double take_sample(void)
{
    return opt.within ? enter() : opt.hand_out ? hand_out() : launch();
}

// Makes the kept mount namespace: one empty tmpfs, nothing of the host to be seen.
static int make_template(void)
{
    int ready[2], fd;
    char path[64], byte;
    TRY(pipe2(ready, O_CLOEXEC));
    pid_t pid;
    TRY(pid = fork());
    if (pid == 0) {
        TRY(syscall(SYS_unshare, CLONE_NEWNS));
        TRY(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
        TRY(mount("tmpfs", opt.rootfs, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4k"));
        TRY(chdir(opt.rootfs));
        TRY(mkdir("root", 0755));
        TRY(syscall(SYS_pivot_root, ".", "."));
        TRY(umount2(".", DETACH));
        TRY(write(ready[1], "r", 1));
        pause();
        _exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) die("make the template");
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
    TRY(fd = open(path, O_RDONLY | O_CLOEXEC));
    kill(pid, SIGKILL);
    TRY(waitpid(pid, NULL, 0));
    close(ready[0]);
    return fd;
}

static void read_cpu(unsigned long long *idle, unsigned long long *all)
{
    unsigned long long t[8] = {0};
    FILE *stat = fopen("/proc/stat", "re");
    if (!stat || fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1],
                        &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8)
        die("read /proc/stat");
    fclose(stat);
    *idle = t[3] + t[4];
    *all = 0;
    for (int i = 0; i < 8; i++) *all += t[i];
}

// Sleeps until the CPUs were at least 90 % idle for 50 ms, at most five seconds.
static void wait_until_quiet(void)
{
    unsigned long long idle, all, idle2, all2;
    for (int tries = 0; tries < 5000 / QUIET_MS; tries++) {
        read_cpu(&idle, &all);
        usleep(QUIET_MS * 1000);
        read_cpu(&idle2, &all2);
        if (all2 > all && (idle2 - idle) * 10 >= (all2 - all) * 9) return;
    }
}

static int by_value(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : 1;
}

static int run_batch(void)
{
    static double us[SAMPLES_MAX];
    for (int i = 0; i < opt.runs; i++) {
        if (opt.hand_out && nwaiting == 0) refill();
        if (opt.quiet) wait_until_quiet();
        us[i] = take_sample();
        if (us[i] < 0) return 1;
    }
    const size_t n = (size_t)opt.runs;
    qsort(us, n, sizeof us[0], by_value);
    const double median = n % 2 ? us[n / 2] : (us[n / 2 - 1] + us[n / 2]) / 2;
    printf("{\"n\": %zu, \"min_us\": %.1f, \"median_us\": %.1f, \"p95_us\": %.1f}\n", n,
           us[0], median, us[(n * 95 + 99) / 100 - 1]);
    return 0;
}

static double processor_us(void)
{
    double sum = 0;
    for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
        struct rusage used;
        TRY(getrusage(who, &used));
        sum += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    }
    return sum;
}

// Answers the microseconds that passed, and those of processor time until now.
static int serve(void)
{
    char line[64];
    ssize_t got;
    if (opt.hand_out) refill();
    while ((got = read(0, line, sizeof line)) > 0) {
        if (opt.quiet) wait_until_quiet();
        const double taken = take_sample();
        TRY(dprintf(1, "%.1f %.1f\n", taken, processor_us()));
        if (opt.hand_out && nwaiting == 0) refill();
    }
    return got < 0;
}

int main(int argc, char **argv)
{
    int letter;
    while ((letter = getopt(argc, argv, "+n:qsTUNCG2HE:")) != -1) {
        if (letter == '?') return 2;
        if (letter == 'n') opt.runs = atoi(optarg);
        opt.quiet |= letter == 'q';
        opt.serve |= letter == 's';
        opt.template |= letter == 'T';
        opt.userns |= letter == 'U';
        opt.no_netns |= letter == 'N';
        opt.cgroupns |= letter == 'C';
        opt.cgroups |= letter == 'G';
        opt.unified |= letter == '2';
        opt.hand_out |= letter == 'H';
        if (letter == 'E') opt.within = atoi(optarg);
    }
    if (argc - optind < 2 || opt.runs < 1 || opt.runs > SAMPLES_MAX) {
        fputs("usage: floor [-n N] [-qsTUNCG2H] [-E PID] ROOTFS PROGRAM...\n", stderr);
        return 2;
    }
    // A container that waits has no cgroup here: one is made and removed with a launch.
    if (opt.hand_out && (opt.within || opt.cgroups || opt.unified)) {
        fputs("floor: -H goes neither with -E nor with -G or -2\n", stderr);
        return 2;
    }
    // The template belongs to the initial user namespace, so a new one may not enter
    // it; and sysfs may be mounted only by the owner of the network namespace.
    if (opt.userns && (opt.template || opt.no_netns)) {
        fputs("floor: -U goes neither with -T nor with -N\n", stderr);
        return 2;
    }
    opt.rootfs = argv[optind];
    opt.program = argv + optind + 1;
    while (prctl(PR_CAPBSET_READ, opt.last_cap + 1, 0, 0, 0) >= 0) opt.last_cap++;
    if (opt.template) opt.template_fd = make_template();
    if (opt.cgroups) find_groups();
    if (opt.unified) find_unified();
    if (opt.within) join_pids();
    return opt.serve ? serve() : run_batch();
}
