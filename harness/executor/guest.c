// SPDX-License-Identifier: GPL-2.0-only
// The executor as the init of a guest: mounts what is missing, and powers off at the end. It never exits.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

bool is_own_machine;

// Not every PID 1 is a guest's: a container's first process has that number too, but not that name.
bool guest_is_this(const char *argv0)
{
	const char *name = argv0 ? strrchr(argv0, '/') : NULL;

	return getpid() == 1 && argv0 && !strcmp(name ? name + 1 : argv0, "init");
}

static const struct {
	const char *path, *type, *options;
} mounts[] = {
	{ "/proc", "proc", "" },
	{ "/sys", "sysfs", "" },
	{ "/dev", "devtmpfs", "" },
	{ "/dev/pts", "devpts", "ptmxmode=0666" },
	{ "/dev/shm", "tmpfs", "mode=1777" },
	{ "/tmp", "tmpfs", "mode=1777" },
	{ "/sys/fs/cgroup", "cgroup2", "" },
};

static bool is_mount_point(const char *path)
{
	char above[64];
	struct stat here, there;

	text_format(above, sizeof(above), "%s/..", path);
	return !stat(path, &here) && !stat(above, &there) && here.st_dev != there.st_dev;
}

// For a kernel without devtmpfs.
static void make_devices(void)
{
	static const struct {
		const char *path;
		int major, minor;
	} devices[] = {
		{ "/dev/console", 5, 1 }, { "/dev/null", 1, 3 }, { "/dev/zero", 1, 5 }, { "/dev/full", 1, 7 },
		{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/kmsg", 1, 11 }, { "/dev/tty", 5, 0 },
	};

	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor));
}

// For groups that clauses make: a controller that the kernel lacks is theirs to miss.
static void enable_controllers(void)
{
	static const char *const controllers[] = { "+cpu", "+cpuset", "+memory", "+pids" };
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < sizeof(controllers) / sizeof(*controllers); i++)
		if (write(fd, controllers[i], strlen(controllers[i])) < 0)
			continue;
	if (fd >= 0)
		close(fd);
}

// A group that stays, with a quota. Where the first group with a quota or a set of CPUs comes, and where the last goes,
// the kernel rewrites its own code (static keys); an emulated CPU of QEMU before 8.1 that translates this code just then
// goes on with old bytes: "Oops: int3" in get_page_from_freelist() of 6.12, or silence.
static void make_standing_group(void)
{
	int fd;

	mkdir("/sys/fs/cgroup/standing", 0755);
	fd = open("/sys/fs/cgroup/standing/cpu.max", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "100000 100000", 13) < 0)
		complain("a group's quota cannot be set: %s", errno_name(errno));
	close(fd);
}

// A kernel without a network has no clause that asks for one.
static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		ioctl(fd, SIOCSIFFLAGS, &request);
		close(fd);
	}
}

// The kernel opens /dev/console for init only where the initramfs has it.
static void open_console(void)
{
	int fd;

	if (fcntl(1, F_GETFD) >= 0)
		return;
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
}

void guest_prepare(void)
{
	int errors[sizeof(mounts) / sizeof(*mounts)] = { 0 };

	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		mkdir(mounts[i].path, 0755);
		if (!is_mount_point(mounts[i].path) &&
		    mount(mounts[i].type, mounts[i].path, mounts[i].type, 0, mounts[i].options))
			errors[i] = errno;
		if (errors[i] && !strcmp(mounts[i].path, "/dev"))
			make_devices();
	}
	// Tomoyo (in Debian's kernels up to 6.1 at least) resolves the /dev/fd/N by which execveat(2) names a descriptor.
	if (access("/dev/ptmx", F_OK) && symlink("pts/ptmx", "/dev/ptmx"))
		complain("cannot make /dev/ptmx: %s", errno_name(errno));
	if (symlink("/proc/self/fd", "/dev/fd") && errno != EEXIST)
		complain("cannot make /dev/fd: %s", errno_name(errno));
	open_console();
	enable_controllers();
	make_standing_group();
	raise_loopback();
	is_own_machine = true;
	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++)
		if (errors[i] && errors[i] != EBUSY)
			complain("cannot mount %s: %s", mounts[i].path, errno_name(errors[i]));
	if (chdir("/"))
		complain("cannot change to /: %s", errno_name(errno));
}

void guest_power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	complain("cannot power off: %s", errno_name(errno));
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
		poll(NULL, 0, 1000);
	}
}
