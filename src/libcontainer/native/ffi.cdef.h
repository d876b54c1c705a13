// SPDX-License-Identifier: Apache-2.0
// The C functions behind libcontainer.bindings. Read by the compiler and by cffi,
// so no preprocessor line may stand here. Every function that returns an int or a
// long gives a value >= 0, or minus the errno; none touches Python.

extern const unsigned char *const lc_helper_image;
extern const size_t lc_helper_size;
extern const unsigned char *const lc_monitor_image;
extern const size_t lc_monitor_size;
extern const char *const lc_version;
extern const unsigned int lc_abi;

// Process creation. A cgroup_fd of -1 is the caller's cgroup. Each list of fds, arguments and environment strings belongs
// to the caller; pidfd and pid are filled before the call returns.
int lc_spawn(int image_fd, unsigned long long flags, int cgroup_fd, const int *fds,
             int nfds, int *pidfd, int *pid);

// The two ends of a SOCK_SEQPACKET connection, neither of them 0, 1 or 2.
int lc_control_pair(int *ends);
int lc_control_listen(const char *path, int backlog);
int lc_control_connect(const char *path);
int lc_control_send(int control, const void *message, size_t size, const int *fds,
                    int nfds);
// 1 with the next message of *size* bytes and the fd that came with it, or -1; 0 at
// the end. milliseconds: how long to wait, -1 for ever; then -ETIMEDOUT. at_end: sleep
// until the other side has closed, whatever it says before.
int lc_control_receive(int control, int milliseconds, int at_end, void *message,
                       size_t size, int *fd);
void lc_close_all(const int *fds, int nfds);

struct lc_clone3_request {
    int image_fd;
    const char *const *argv;
    const char *const *envp;
    unsigned long long flags;
    int exit_signal;
    int cgroup_fd;       // -1: stay in the caller's cgroup
    const int *set_tid;  // innermost pid namespace first
    int set_tid_size;
    const int *fds;      // kept open across the exec
    int nfds;
};
int lc_clone3(const struct lc_clone3_request *request, int *pidfd, int *pid);

// Namespaces and names.
int lc_unshare(int flags);
int lc_setns(int fd, int nstype);
int lc_sethostname(const char *name, size_t size);
int lc_setdomainname(const char *name, size_t size);

// Keys.
int lc_keyctl(int operation, unsigned long a, unsigned long b, unsigned long c,
              unsigned long d);

// Mounts and files. A dirfd of -100 is the current directory.
int lc_pivot_root(const char *new_root, const char *put_old);
int lc_mount(const char *source, const char *target, const char *type,
             unsigned long flags, const char *data);
int lc_umount2(const char *target, int flags);
int lc_open_tree(int dirfd, const char *path, unsigned int flags);
int lc_move_mount(int from_dirfd, const char *from_path, int to_dirfd,
                  const char *to_path, unsigned int flags);
int lc_fsopen(const char *type, unsigned int flags);
int lc_fspick(int dirfd, const char *path, unsigned int flags);
int lc_fsconfig(int fd, unsigned int command, const char *key, const void *value,
                int aux);
int lc_fsmount(int fd, unsigned int flags, unsigned int attributes);
int lc_mount_setattr(int dirfd, const char *path, unsigned int flags,
                     uint64_t attr_set, uint64_t attr_clr, uint64_t propagation,
                     int userns_fd);
int lc_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode,
               uint64_t resolve);
int lc_renameat2(int old_dirfd, const char *old_path, int new_dirfd,
                 const char *new_path, unsigned int flags);
int lc_mount_id(int fd, int unique, uint64_t *mount_id);
int lc_fs_type(int fd, uint64_t *type);
int lc_memfd_create(const char *name, unsigned int flags);
int lc_inotify_init(void);
int lc_inotify_add_watch(int fd, const char *path, uint32_t mask);
int lc_inotify_rm_watch(int fd, int watch);
int lc_sealed_memfd(const char *name, unsigned int flags, const void *content,
                    size_t size, int seals);
int lc_close_range(unsigned int first, unsigned int last, unsigned int flags);

// Processes by pidfd.
struct lc_pidfd_info {
    uint64_t mask;
    uint64_t cgroup_id;
    uint32_t pid, tgid, ppid;
    uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
    uint32_t coredump_mask;
    uint32_t coredump_signal;
    uint64_t supported_mask;
};
int lc_pidfd_open(int pid, unsigned int flags);
int lc_pidfd_send_signal(int pidfd, int number, unsigned int flags);
int lc_pidfd_getfd(int pidfd, int target_fd);
int lc_pidfd_get_info(int pidfd, struct lc_pidfd_info *info);
int lc_pidfd_get_namespace(int pidfd, unsigned int which);
// 1: a child was waited for, code and status are filled; 0: none yet (WNOHANG).
int lc_waitid_pidfd(int pidfd, int options, int *code, int *status);

// Privileges.
int lc_prctl(int option, unsigned long arg2, unsigned long arg3,
             unsigned long arg4, unsigned long arg5);
// sets: effective, permitted, inheritable
int lc_capget(int pid, uint64_t *sets);
int lc_capset(const uint64_t *sets);
int lc_setfsuid(uint32_t id);
int lc_setfsgid(uint32_t id);
int lc_seccomp_set_mode_filter(unsigned int flags, const void *program, size_t size);
int lc_seccomp_get_action_avail(uint32_t action);
int lc_seccomp_get_notif_sizes(uint16_t *sizes);
int lc_bpf_load_cgroup_device(const void *program, size_t size);
int lc_bpf_attach_cgroup_device(int cgroup, int program, int replaced);
int lc_bpf_query_cgroup_device(int cgroup, uint32_t *ids, uint32_t count);
int lc_bpf_open_program(uint32_t id);
int lc_bpf_program_name(int program, char *name);
int lc_landlock_abi(void);
