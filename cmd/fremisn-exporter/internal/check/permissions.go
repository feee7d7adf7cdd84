package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// unreadable returns the reason why this user cannot follow the file, and the command or mount that would change it;
// "" if the user can, or if the file is only missing.
func unreadable(path string) (trouble, remedy string) {
	for _, dir := range folders(path) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Sprintf("cannot exist: the folder %s is missing", dir),
				"correct the path; in a container, mount the folder that NGINX writes to: volumes: [nginx-logs:" + dir +
					":ro]"
		case err != nil:
			return "cannot be reached: " + err.Error(), "ls -ld " + quoted(dir) + " shows what it is"
		case !info.IsDir():
			return "cannot exist: " + dir + " is not a folder", "correct the path: it goes through a file"
		case unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS) != nil:
			return fmt.Sprintf("cannot be reached: %s has no permission to enter the folder %s (%s)", userName(), dir,
				describe(info)), grant(dir, info, "x")
		}
	}
	if target, err := filepath.EvalSymlinks(path); err == nil && isStream(target) {
		return "is " + target + ", not a file: lines go where they cannot be read again", streamRemedy(path)
	}
	if target, err := os.Readlink(path); err == nil && strings.HasPrefix(target, "/dev/std") {
		return "links to " + target + ", so no file exists to read", streamRemedy(path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", ""
	case info.IsDir():
		return "is a folder", "name the file in it, or a glob such as " + filepath.Join(path, "access-*.log")
	case !info.Mode().IsRegular():
		return "is not a regular file (" + info.Mode().String() + ")", streamRemedy(path)
	case unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) != nil:
		return fmt.Sprintf("cannot be read by %s (%s)", userName(), describe(info)), grant(path, info, "r")
	}
	return "", ""
}

// isStream reports whether what is written there cannot be read again. The files in /dev/shm can: they are in memory.
func isStream(path string) bool {
	return strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/dev/shm/") ||
		strings.HasPrefix(path, "/proc/")
}

func streamRemedy(path string) string {
	return "mount a volume on " + filepath.Dir(path) +
		" in NGINX's container, where the official image links its logs to stdout, and the same volume here " +
		"read-only; or delete the link"
}

// folders returns those on the way to path, from the root on.
func folders(path string) []string {
	var all []string
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		all = append([]string{dir}, all...)
		if dir == filepath.Dir(dir) {
			return all
		}
	}
}

func userName() string {
	uid := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "user " + uid
}

// describe returns mode, owner and group in the form of ls -l.
func describe(info fs.FileInfo) string {
	owner, group := ownerOf(info)
	return fmt.Sprintf("%s %s:%s", info.Mode(), owner, group)
}

func ownerOf(info fs.FileInfo) (owner, group string) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "?", "?"
	}
	owner, group = strconv.Itoa(int(stat.Uid)), strconv.Itoa(int(stat.Gid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return owner, group
}

// grant returns the smallest change that gives this user a permission, r or x: to join the group, if it has the
// permission and is not root's; otherwise to give it to the group or, in root's, to everybody.
func grant(path string, info fs.FileInfo, permission string) string {
	_, group := ownerOf(info)
	bit := fs.FileMode(0o040)
	if permission == "x" {
		bit = 0o010
	}
	join := fmt.Sprintf("sudo usermod -aG %s %s", group, userName())
	switch has := info.Mode()&bit != 0; {
	case group == "root":
		if strings.HasSuffix(path, ".log") {
			return fmt.Sprintf("sudo chmod o+%s %s; have logrotate create the file so too", permission, path)
		}
		return fmt.Sprintf("sudo chmod o+%s %s", permission, path)
	case has:
		return join + ", then start the exporter again"
	default:
		return fmt.Sprintf("sudo chmod g+%s %s && %s, then start the exporter again; have logrotate create the "+
			"file so too", permission, path, join)
	}
}
