// SPDX-License-Identifier: Apache-2.0
// The C side of libcontainer.bindings: one small function for each system call. No
// Python here; cffi releases the GIL around each call. Every fd that is made is
// close-on-exec. Starting a process is in spawn.c.
//
// Kernel structs are declared here at the full size known to this release and always
// zeroed: the C library's headers may be older than the kernel.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan_abi.h"
#include "ffi.cdef.h"
#include "generated.h"

// Numbers from 424 on are the same on every architecture.
#ifndef __NR_pidfd_send_signal
#define __NR_pidfd_send_signal 424
#endif
#ifndef __NR_open_tree
#define __NR_open_tree 428
#endif
#ifndef __NR_move_mount
#define __NR_move_mount 429
#endif
#ifndef __NR_fsopen
#define __NR_fsopen 430
#endif
#ifndef __NR_fsconfig
#define __NR_fsconfig 431
#endif
#ifndef __NR_fsmount
#define __NR_fsmount 432
#endif
#ifndef __NR_fspick
#define __NR_fspick 433
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
#ifndef __NR_pidfd_getfd
#define __NR_pidfd_getfd 438
#endif
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442
#endif
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#endif

#define LC_P_PIDFD 3

const unsigned char *const lc_helper_image = generated_helper_image;
const size_t lc_helper_size = sizeof generated_helper_image;
const unsigned char *const lc_monitor_image = generated_monitor_image;
const size_t lc_monitor_size = sizeof generated_monitor_image;
const char *const lc_version = LC_VERSION;
const unsigned int lc_abi = LC_ABI;

static int result(long value) { return value < 0 ? -errno : (int)value; }

// ---- namespaces and names ----

int lc_unshare(int flags) { return result(unshare(flags)); }

int lc_setns(int fd, int nstype) { return result(setns(fd, nstype)); }

int lc_sethostname(const char *name, size_t size) {
    return result(sethostname(name, size));
}

int lc_setdomainname(const char *name, size_t size) {
    return result(setdomainname(name, size));
}

int lc_keyctl(int operation, unsigned long a, unsigned long b, unsigned long c,
              unsigned long d) {
    return result(syscall(__NR_keyctl, operation, a, b, c, d));
}

// ---- mounts and files ----

int lc_pivot_root(const char *new_root, const char *put_old) {
    return result(syscall(__NR_pivot_root, new_root, put_old));
}

int lc_mount(const char *source, const char *target, const char *type,
             unsigned long flags, const char *data) {
    return result(mount(source, target, type, flags, data));
}

int lc_umount2(const char *target, int flags) {
    return result(umount2(target, flags));
}

int lc_open_tree(int dirfd, const char *path, unsigned int flags) {
    return result(syscall(__NR_open_tree, dirfd, path, flags | O_CLOEXEC));
}

int lc_move_mount(int from_dirfd, const char *from_path, int to_dirfd,
                  const char *to_path, unsigned int flags) {
    return result(
        syscall(__NR_move_mount, from_dirfd, from_path, to_dirfd, to_path, flags));
}

// FSOPEN_CLOEXEC, FSPICK_CLOEXEC and FSMOUNT_CLOEXEC are all 1.
int lc_fsopen(const char *type, unsigned int flags) {
    return result(syscall(__NR_fsopen, type, flags | 1));
}

int lc_fspick(int dirfd, const char *path, unsigned int flags) {
    return result(syscall(__NR_fspick, dirfd, path, flags | 1));
}

int lc_fsconfig(int fd, unsigned int command, const char *key, const void *value,
                int aux) {
    return result(syscall(__NR_fsconfig, fd, command, key, value, aux));
}

int lc_fsmount(int fd, unsigned int flags, unsigned int attributes) {
    return result(syscall(__NR_fsmount, fd, flags | 1, attributes));
}

int lc_mount_setattr(int dirfd, const char *path, unsigned int flags,
                     uint64_t attr_set, uint64_t attr_clr, uint64_t propagation,
                     int userns_fd) {
    struct {
        uint64_t attr_set, attr_clr, propagation, userns_fd;
    } attr = {attr_set, attr_clr, propagation,
              userns_fd < 0 ? 0 : (uint64_t)userns_fd};
    return result(
        syscall(__NR_mount_setattr, dirfd, path, flags, &attr, sizeof attr));
}

int lc_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode,
               uint64_t resolve) {
    struct {
        uint64_t flags, mode, resolve;
    } how = {flags | O_CLOEXEC, mode, resolve};
    return result(syscall(__NR_openat2, dirfd, path, &how, sizeof how));
}

int lc_renameat2(int old_dirfd, const char *old_path, int new_dirfd,
                 const char *new_path, unsigned int flags) {
    return result(
        syscall(__NR_renameat2, old_dirfd, old_path, new_dirfd, new_path, flags));
}

// The kernel's struct statx; only the mount id is read from it.
struct statx_buffer {
    uint32_t mask;
    uint32_t to_mount_id[35];
    uint64_t mount_id;
    uint64_t rest[13];
};
_Static_assert(offsetof(struct statx_buffer, mount_id) == 144, "stx_mnt_id");
_Static_assert(sizeof(struct statx_buffer) == 256, "struct statx");

int lc_mount_id(int fd, int unique, uint64_t *mount_id) {
    const unsigned int wanted = unique ? 0x4000 : 0x1000;  // STATX_MNT_ID[_UNIQUE]
    struct statx_buffer buffer;
    memset(&buffer, 0, sizeof buffer);
    if (syscall(__NR_statx, fd, "", AT_EMPTY_PATH, wanted, &buffer) < 0) return -errno;
    if (!(buffer.mask & wanted)) return -EOPNOTSUPP;
    *mount_id = buffer.mount_id;
    return 0;
}

int lc_fs_type(int fd, uint64_t *type) {
    struct statfs buffer;
    if (fstatfs(fd, &buffer) < 0) return -errno;
    *type = (uint32_t)buffer.f_type;  // magic numbers have 32 bits; f_type is signed
    return 0;
}

int lc_memfd_create(const char *name, unsigned int flags) {
    return result(syscall(__NR_memfd_create, name, flags | MFD_CLOEXEC));
}

int lc_inotify_init(void) {
    return result(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
}

int lc_inotify_add_watch(int fd, const char *path, uint32_t mask) {
    return result(inotify_add_watch(fd, path, mask));
}

int lc_inotify_rm_watch(int fd, int watch) {
    return result(inotify_rm_watch(fd, watch));
}

int lc_sealed_memfd(const char *name, unsigned int flags, const void *content,
                    size_t size, int seals) {
    int fd = lc_memfd_create(name, flags), number = 0;
    // The offset stays 0, for whoever reads it.
    for (size_t done = 0; fd >= 0 && number == 0 && done < size;) {
        ssize_t wrote =
            pwrite(fd, (const char *)content + done, size - done, (off_t)done);
        if (wrote < 0 && errno != EINTR) number = errno;
        if (wrote > 0) done += (size_t)wrote;
    }
    if (fd >= 0 && number == 0 && fcntl(fd, F_ADD_SEALS, seals) < 0) number = errno;
    if (fd >= 0 && number != 0) close(fd);
    return number != 0 ? -number : fd;
}

int lc_close_range(unsigned int first, unsigned int last, unsigned int flags) {
    return result(syscall(__NR_close_range, first, last, flags));
}

// ---- processes by pidfd ----

int lc_pidfd_open(int pid, unsigned int flags) {
    return result(syscall(__NR_pidfd_open, pid, flags));
}

int lc_pidfd_send_signal(int pidfd, int number, unsigned int flags) {
    return result(syscall(__NR_pidfd_send_signal, pidfd, number, NULL, flags));
}

int lc_pidfd_getfd(int pidfd, int target_fd) {
    return result(syscall(__NR_pidfd_getfd, pidfd, target_fd, 0));
}

int lc_pidfd_get_info(int pidfd, struct lc_pidfd_info *info) {
    return result(ioctl(pidfd, _IOWR(0xFF, 11, struct lc_pidfd_info), info));
}

int lc_pidfd_get_namespace(int pidfd, unsigned int which) {
    return result(ioctl(pidfd, _IO(0xFF, which), 0));
}

int lc_waitid_pidfd(int pidfd, int options, int *code, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (syscall(__NR_waitid, LC_P_PIDFD, pidfd, &info, options, NULL) < 0)
        return -errno;
    *code = info.si_code;
    *status = info.si_status;
    return info.si_pid != 0;
}

// ---- the conversation with the helper ----

// An fd of ours is never 0, 1 or 2, which the caller may have closed.
static int above_stdio(int fd) {
    if (fd < 0 || fd > 2) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3), number = errno;
    close(fd);
    errno = number;
    return moved;
}

int lc_control_pair(int *ends) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    ends[0] = above_stdio(ends[0]);
    ends[1] = above_stdio(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0) return 0;
    int number = errno;
    if (ends[0] >= 0) close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    return -number;
}

// A socket bound, or connected, at a path.
static int at_path(const char *path, int (*how)(int, const struct sockaddr *, socklen_t)) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = above_stdio(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (fd < 0) return -errno;
    int done = how(fd, (const struct sockaddr *)&address, sizeof address);
    int number = errno;
    if (done < 0) close(fd);
    return done < 0 ? -number : fd;
}

int lc_control_listen(const char *path, int backlog) {
    int fd = at_path(path, bind);
    if (fd < 0 || listen(fd, backlog) == 0) return fd;
    int number = errno;
    close(fd);
    return -number;
}

int lc_control_connect(const char *path) { return at_path(path, connect); }

// The program around us may have SIGPIPE at its default, which would end it.
int lc_control_send(int control, const void *message, size_t size, const int *fds,
                    int nfds) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(LC_MAX_TAKEN * sizeof(int))];
    } rights;
    if (nfds <= 0) return result(send(control, message, size, MSG_NOSIGNAL));
    if (nfds > LC_MAX_TAKEN) return -EINVAL;
    struct iovec part = {(void *)message, size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &rights,
                            .msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int))};
    memset(&rights, 0, sizeof rights);
    rights.header.cmsg_level = SOL_SOCKET;
    rights.header.cmsg_type = SCM_RIGHTS;
    rights.header.cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
    memcpy(CMSG_DATA(&rights.header), fds, (size_t)nfds * sizeof(int));
    return result(sendmsg(control, &header, MSG_NOSIGNAL));
}

static int take_message(int control, void *message, size_t size, int *fd) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } rights;
    struct iovec part = {message, size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &rights,
                            .msg_controllen = sizeof rights};
    ssize_t got = recvmsg(control, &header, MSG_CMSG_CLOEXEC);
    if (got <= 0) return got < 0 ? -errno : 0;
    struct cmsghdr *passed = CMSG_FIRSTHDR(&header);
    if (passed && passed->cmsg_level == SOL_SOCKET && passed->cmsg_type == SCM_RIGHTS) {
        memcpy(fd, CMSG_DATA(passed), sizeof *fd);
        *fd = above_stdio(*fd);
    }
    return (size_t)got == size && !(header.msg_flags & MSG_TRUNC) ? 1 : -EPROTO;
}

int lc_control_receive(int control, int milliseconds, int at_end, void *message,
                       size_t size, int *fd) {
    struct pollfd ready = {.fd = control, .events = at_end ? 0 : POLLIN};
    *fd = -1;
    int found = poll(&ready, 1, milliseconds);
    if (found <= 0) return found < 0 ? -errno : -ETIMEDOUT;
    return take_message(control, message, size, fd);
}

void lc_close_all(const int *fds, int nfds) {
    for (int i = 0; i < nfds; i++) close(fds[i]);
}

// ---- privileges ----

int lc_prctl(int option, unsigned long arg2, unsigned long arg3,
             unsigned long arg4, unsigned long arg5) {
    return result(prctl(option, arg2, arg3, arg4, arg5));
}

struct capability_header {
    uint32_t version;
    int pid;
};
struct capability_data {
    uint32_t effective, permitted, inheritable;
};
#define CAPABILITY_VERSION_3 0x20080522

int lc_capget(int pid, uint64_t *sets) {
    struct capability_header header = {CAPABILITY_VERSION_3, pid};
    struct capability_data data[2];
    memset(data, 0, sizeof data);
    if (syscall(__NR_capget, &header, data) < 0) return -errno;
    sets[0] = data[0].effective | (uint64_t)data[1].effective << 32;
    sets[1] = data[0].permitted | (uint64_t)data[1].permitted << 32;
    sets[2] = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return 0;
}

int lc_capset(const uint64_t *sets) {
    struct capability_header header = {CAPABILITY_VERSION_3, 0};
    struct capability_data data[2] = {
        {(uint32_t)sets[0], (uint32_t)sets[1], (uint32_t)sets[2]},
        {(uint32_t)(sets[0] >> 32), (uint32_t)(sets[1] >> 32),
         (uint32_t)(sets[2] >> 32)},
    };
    return result(syscall(__NR_capset, &header, data));
}

// The operations of seccomp(2).
enum { SET_MODE_FILTER = 1, GET_ACTION_AVAIL = 2, GET_NOTIF_SIZES = 3 };

// They tell nothing of a failure; -1, which is no id, gives the one that is set. The
// C library's own would be no other: they are of the calling thread.
int lc_setfsuid(uint32_t id) {
    syscall(__NR_setfsuid, id);
    return (uint32_t)syscall(__NR_setfsuid, -1) == id ? 0 : -EPERM;
}

int lc_setfsgid(uint32_t id) {
    syscall(__NR_setfsgid, id);
    return (uint32_t)syscall(__NR_setfsgid, -1) == id ? 0 : -EPERM;
}

int lc_seccomp_set_mode_filter(unsigned int flags, const void *program, size_t size) {
    struct {
        unsigned short length;
        const void *filter;
    } filter = {(unsigned short)(size / 8), program};
    if (size % 8 || size / 8 > 0xffff) return -EINVAL;
    return result(syscall(__NR_seccomp, SET_MODE_FILTER, flags, &filter));
}

int lc_seccomp_get_action_avail(uint32_t action) {
    return result(syscall(__NR_seccomp, GET_ACTION_AVAIL, 0, &action));
}

int lc_seccomp_get_notif_sizes(uint16_t *sizes) {
    return result(syscall(__NR_seccomp, GET_NOTIF_SIZES, 0, sizes));
}

// The operations of bpf(2) that a filter of devices needs; older headers lack parts
// of union bpf_attr. Each buffer is larger than the size that is told: kernels have
// written past it.
enum { BPF_LOAD = 5, BPF_ATTACH = 8, BPF_FD_OF_ID = 13, BPF_INFO = 15, BPF_QUERY = 16,
       CGROUP_DEVICE_PROGRAM = 15, CGROUP_DEVICE_ATTACH = 6, ATTACH_MULTI = 2,
       ATTACH_REPLACE = 4, BPF_NAME = 16 };

int lc_bpf_load_cgroup_device(const void *program, size_t size) {
    struct {
        uint32_t type, instructions;
        uint64_t program, licence;
        uint8_t log[16];
        uint32_t version, flags;
        char name[BPF_NAME];
        uint8_t rest[56];
    } load = {CGROUP_DEVICE_PROGRAM, (uint32_t)(size / 8), (uintptr_t)program,
              (uintptr_t)"Apache-2.0", {0}, 0, 0, "libcontainer", {0}};
    return result(syscall(__NR_bpf, BPF_LOAD, &load, sizeof(load)));
}

int lc_bpf_attach_cgroup_device(int cgroup, int program, int replaced) {
    const uint32_t flags = replaced < 0 ? ATTACH_MULTI : ATTACH_MULTI | ATTACH_REPLACE;
    struct {
        uint32_t target, program, type, flags, replaced, rest[3];
    } attach = {(uint32_t)cgroup, (uint32_t)program, CGROUP_DEVICE_ATTACH, flags,
                replaced < 0 ? 0 : (uint32_t)replaced, {0}};
    return result(syscall(__NR_bpf, BPF_ATTACH, &attach, sizeof(attach)));
}

int lc_bpf_query_cgroup_device(int cgroup, uint32_t *ids, uint32_t count) {
    struct {
        uint32_t target, type, query_flags, attach_flags;
        uint64_t ids;
        uint32_t count, pad;
        uint8_t rest[224];
    } query = {(uint32_t)cgroup, CGROUP_DEVICE_ATTACH, 0, 0, (uintptr_t)ids, count, 0,
               {0}};
    int done = result(syscall(__NR_bpf, BPF_QUERY, &query, 128));
    return done < 0 ? done : (int)query.count;
}

int lc_bpf_open_program(uint32_t id) {
    struct {
        uint32_t id, rest[31];
    } open = {id, {0}};
    return result(syscall(__NR_bpf, BPF_FD_OF_ID, &open, sizeof(open)));
}

int lc_bpf_program_name(int program, char *name) {
    struct {
        uint8_t before[64];
        char name[BPF_NAME];
        uint8_t rest[432];
    } info = {0};
    struct {
        uint32_t program, size;
        uint64_t info;
        uint32_t rest[28];
    } ask = {(uint32_t)program, 256, (uintptr_t)&info, {0}};
    int done = result(syscall(__NR_bpf, BPF_INFO, &ask, sizeof(ask)));
    memcpy(name, info.name, BPF_NAME);
    name[BPF_NAME - 1] = 0;
    return done;
}

int lc_landlock_abi(void) {
    enum { CREATE_RULESET_VERSION = 1 };
    return result(syscall(__NR_landlock_create_ruleset, NULL, 0,
                          CREATE_RULESET_VERSION));
}
