package check

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// checkSystem checks what serve would use of this host: its state directory and its ports.
func (r *Report) checkSystem(ctx context.Context, o Options) {
	r.add(checkStorage(o.StoragePath))
	if o.OlderState != "" {
		r.add(finding{Section: sectionSystem, Status: statusWarn, Subject: "state",
			Text:   o.OlderState + " holds the state of earlier starts, which the next one leaves behind",
			Remedy: OlderStateRemedy(o.OlderState, o.StoragePath)})
	}
	if o.Web == nil || o.Web.WebListenAddresses == nil {
		return
	}
	if o.Web.WebSystemdSocket != nil && *o.Web.WebSystemdSocket {
		return // systemd has opened the port already
	}
	running := o.StoragePath != "" && locked(filepath.Join(o.StoragePath, "lock"))
	for _, address := range *o.Web.WebListenAddresses {
		r.add(checkPort(ctx, address, listeners(), running))
	}
	if file := o.Web.WebConfigFile; file != nil && *file != "" {
		r.add(checkWebConfig(*file))
	}
}

// OlderStateRemedy says what to do about a folder with the state of earlier starts that are kept elsewhere now.
func OlderStateRemedy(older, chosen string) string {
	return fmt.Sprintf("to go on with it, stop, and start with --storage.path=%s or move its files to %s; else "+
		"remove it",
		older, chosen)
}

// checkWebConfig reads the file that has TLS and passwords as serve would.
func checkWebConfig(file string) finding {
	found := finding{Section: sectionSystem, Status: statusOK, Subject: "web config", Text: file + " is valid"}
	if err := ValidateWeb(file); err != nil {
		found.Status, found.Text, found.Remedy = statusFail, file+": "+
			err.Error(), "correct it, or leave out --web.config.file"
	}
	return found
}

// checkStorage checks whether the state directory, or its parent, is writable. It creates nothing.
func checkStorage(path string) finding {
	found := finding{Section: sectionSystem, Status: statusOK, Subject: "state"}
	if path == "" {
		found.Status, found.Text = statusWarn, "none: counters begin at zero at every start"
		found.Remedy = "give --storage.path a folder"
		return found
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		found.Status, found.Text = statusFail, err.Error()
		return found
	}
	existing, info := nearest(absolute)
	switch {
	case info == nil:
		found.Status, found.Text = statusFail, absolute+" cannot be examined"
	case !info.IsDir():
		found.Status, found.Text, found.Remedy = statusFail, existing+
			" is not a folder", "choose another with --storage.path"
	case unix.Faccessat(unix.AT_FDCWD, existing, unix.W_OK|unix.X_OK, unix.AT_EACCESS) != nil:
		found.Status = statusFail
		found.Text = fmt.Sprintf("%s cannot be written by %s (%s)", existing, userName(), describe(info))
		found.Remedy = fmt.Sprintf("sudo install -d -o %s -m 750 %s", userName(), absolute)
	case existing != absolute:
		found.Text = absolute + " will be created"
	case locked(filepath.Join(absolute, "lock")):
		found.Text = absolute + " is in use by a running exporter"
	default:
		found.Text = absolute + " can be written"
	}
	if file := irregularIn(absolute); file != "" {
		found.Status, found.Text = statusFail, file+" is not a regular file, and cannot be one of the state's"
		found.Remedy = "remove it, or choose another with --storage.path"
	}
	return found
}

// irregularIn returns the first file of a storage path that the program cannot read or replace, "" for none.
func irregularIn(folder string) string {
	for _, pattern := range []string{"lock", "logs", "*.state", "*.json", "*.new"} {
		names, _ := filepath.Glob(filepath.Join(folder, pattern))
		for _, name := range names {
			if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
				return name
			}
		}
	}
	return ""
}

// locked reports, from the kernel's table, whether a process holds the lock on a file: trying to take it could take it
// from an exporter that is about to start.
func locked(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	held, err := os.ReadFile("/proc/locks") // 1: FLOCK  ADVISORY  WRITE 2178 00:2d:4711 0 EOF
	if err != nil {
		return false
	}
	for _, row := range strings.Split(string(held), "\n") {
		columns := strings.Fields(row)
		if len(columns) > 5 && columns[1] == "FLOCK" && strings.HasSuffix(columns[5], fmt.Sprintf(":%d", stat.Ino)) {
			return true
		}
	}
	return false
}

// nearest returns path, or its lowest existing ancestor.
func nearest(path string) (string, os.FileInfo) {
	for {
		info, err := os.Stat(path)
		if err == nil {
			return path, info
		}
		if path == filepath.Dir(path) {
			return path, nil
		}
		path = filepath.Dir(path)
	}
}

// checkPort checks whether somebody listens where serve would. It opens nothing, but reads the kernel's tables.
// running says that an exporter holds the state directory; behind TLS and a password, its port does not show that it
// is one.
func checkPort(ctx context.Context, address string, taken []netip.AddrPort, running bool) finding {
	found := finding{Section: sectionSystem, Status: statusOK, Subject: "port"}
	host, portText, err := net.SplitHostPort(address)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		found.Status, found.Text = statusFail, fmt.Sprintf("%q is not HOST:PORT", address)
		found.Remedy = "write --web.listen-address=:9113"
		return found
	}
	wanted, err := netip.ParseAddr(host)
	if err != nil {
		wanted = netip.IPv6Unspecified() // every address, or a name that is treated as such
	}
	i := slices.IndexFunc(taken, func(t netip.AddrPort) bool {
		return port != 0 &&
			collide(netip.AddrPortFrom(wanted, uint16(port)), t)
	})
	switch {
	case i < 0:
		found.Text = address + " is free"
	case isExporter(ctx, taken[i]):
		found.Text = address + " is in use by another fremisn-exporter"
	case running:
		found.Text = address + " is held, as it seems by the exporter that holds the state directory"
	default:
		found.Status, found.Text = statusFail, address+" is taken: another program listens on "+taken[i].String()
		found.Remedy = fmt.Sprintf("sudo ss -ltnp 'sport = :%d' shows which; stop it, or choose another with "+
			"--web.listen-address", port)
	}
	return found
}

func collide(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr().IsUnspecified() || b.Addr().IsUnspecified() ||
		a.Addr().Unmap() == b.Addr().Unmap())
}

// isExporter requests from the listener the page by which an exporter can be recognized.
func isExporter(ctx context.Context, at netip.AddrPort) bool {
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port())
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+"/-/healthy", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64))
	return err == nil && string(body) == "healthy\n"
}

// listeners returns the listening TCP addresses, from /proc/net/tcp and tcp6; see proc_net_tcp in the kernel's
// documentation. It returns none if they are unreadable.
func listeners() []netip.AddrPort {
	var all []netip.AddrPort
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(name)
		if err != nil {
			continue
		}
		all = append(all, parseListeners(file)...)
		file.Close()
	}
	return all
}

func parseListeners(table io.Reader) []netip.AddrPort {
	const stateListen = "0A"
	var all []netip.AddrPort
	for rows := bufio.NewScanner(table); rows.Scan(); {
		columns := strings.Fields(rows.Text())
		if len(columns) < 4 || columns[3] != stateListen {
			continue
		}
		host, portText, _ := strings.Cut(columns[1], ":")
		raw, err := hex.DecodeString(host)
		port, portErr := strconv.ParseUint(portText, 16, 16)
		if err != nil || portErr != nil {
			continue
		}
		// words in the byte order of the machine, which is little-endian where this runs
		for i := 0; i+4 <= len(raw); i += 4 {
			slices.Reverse(raw[i : i+4])
		}
		if address, ok := netip.AddrFromSlice(raw); ok {
			all = append(all, netip.AddrPortFrom(address, uint16(port)))
		}
	}
	return all
}
