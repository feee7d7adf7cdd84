package testenv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// firstPort is the lowest that FreeAddress gives; most well-known programs listen below it.
const firstPort = 10000

// FreeAddress returns an address on ip that nobody listens on. Until this process ends nobody takes its port but by
// chance: it is outside the range that the kernel gives to connections and to listeners on port 0, and no other caller,
// of any process, gets it. So it may be listened on later, or stay one that refuses connections.
func FreeAddress(ip string) (string, error) {
	ports := firstEphemeralPort() - firstPort
	for range ports {
		port := firstPort + rand.IntN(ports)
		if reserved, err := reserve(port); err != nil {
			return "", err
		} else if !reserved {
			continue
		}
		address := net.JoinHostPort(ip, strconv.Itoa(port))
		listener, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", err
		}
		return address, listener.Close()
	}
	return "", fmt.Errorf("no port from %d on is free on %s", firstPort, ip)
}

// A TB is what this package needs of a test.
type TB interface {
	Helper()
	Fatal(...any)
	Cleanup(func())
}

// LoopbackAddress is FreeAddress on 127.0.0.1, for a test, which fails if no port is free.
func LoopbackAddress(t TB) string {
	t.Helper()
	address, err := FreeAddress("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// FullAddress returns an address where connecting hangs until the end of the test: its listener accepts nobody, and the
// queue is full.
func FullAddress(t TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	raw, err := listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	control := func(f func(fd int) error) {
		t.Helper()
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
	}
	control(func(fd int) error { return unix.Listen(fd, 0) }) // room for one that nobody has accepted
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	control(awaitFullQueue)
	return listener.Addr().String()
}

// awaitFullQueue waits until a listener has no room for another connection that it has not accepted.
func awaitFullQueue(fd int) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Unacked > info.Sacked { // of a listener: its queue, and the room for it
			return err
		}
	}
	return errors.New("the queue does not fill")
}

// firstEphemeralPort returns where the ports begin that the kernel gives by itself. Where that leaves none, it returns
// the usual number, and the kernel may give a port of FreeAddress to another.
func firstEphemeralPort() int {
	const usual = 32768
	var first int
	text, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if _, err := fmt.Sscan(string(text), &first); err != nil || first < firstPort+1000 {
		return usual
	}
	return first
}

// reserve reports whether the port was nobody's: a socket of that name marks it, until this process ends.
func reserve(port int) (bool, error) {
	marker, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, os.NewSyscallError("socket", err)
	}
	err = syscall.Bind(marker, &syscall.SockaddrUnix{Name: fmt.Sprintf("@fremisn-port-%d", port)})
	if err == nil {
		return true, nil
	}
	syscall.Close(marker)
	if errors.Is(err, syscall.EADDRINUSE) {
		return false, nil
	}
	return false, os.NewSyscallError("bind", err)
}

// LookUpAt has this process ask the name server at a UDP address for all names, and returns what undoes that. Questions
// without an answer are repeated behind the end of a test: their dialer must not read net.DefaultResolver.
func LookUpAt(server string) (undo func()) {
	before := net.DefaultResolver
	dialer := net.Dialer{Resolver: before}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "udp", server)
	}}
	return func() { net.DefaultResolver = before }
}
