package follow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A syslogReader receives what NGINX sends with access_log syslog:server=…: one line per datagram. It has no position
// to return to. The kernel drops what arrives too fast, and reports how much.
type syslogReader struct {
	target string
	sink   *Pipeline

	mu      sync.Mutex // held from a datagram's leaving the kernel until it is among lines
	buffer  []byte
	oob     []byte
	lines   []byte         // received and not yet handed out
	overrun uint64         // datagrams dropped because nobody read them
	dropped map[int]uint64 // by the kernel, which counts per descriptor
	told    uint64         // of both
	conn    *net.UnixConn
	made    os.FileInfo     // the file of conn
	former  []*net.UnixConn // with removed files: connected senders still send there
	udp     *net.UDPConn
	err     error
	retry   time.Time
}

const (
	// socketBuffer is the size requested from the kernel for waiting datagrams, bytes.
	socketBuffer = 8 << 20
	// maxWaiting limits the lines that wait here to be handed out, bytes.
	maxWaiting = 32 << 20
	// maxDatagram is the maximum size of a datagram, bytes.
	maxDatagram = 64 << 10
	// maxAtOnce is how many datagrams are read in one go: more than the kernel keeps in socketBuffer.
	maxAtOnce = 1 << 15
	// maxFormer is how many sockets whose files were removed stay open.
	maxFormer = 4
	// listenAgain is how often creating the socket is tried again.
	listenAgain = 5 * time.Second
)

func newSyslogReader(target string, sink *Pipeline) reader {
	return &syslogReader{target: target, sink: sink, buffer: make([]byte, maxDatagram), oob: make([]byte, 128),
		dropped: map[int]uint64{}}
}

// Read hands out what has been received. It opens the socket at the first call, and later if that failed.
func (s *syslogReader) Read() error {
	s.checkFile()
	if s.conn == nil && s.udp == nil && s.sink.now().After(s.retry) {
		s.err = s.listen()
		s.retry = s.sink.now().Add(listenAgain)
	}
	for _, raw := range s.raws() {
		// Earlier messages are in the kernel's buffer or among the lines.
		raw.Control(func(fd uintptr) {
			s.receiveSome(int(fd))
			s.countDrops(int(fd), dropsOf(int(fd)))
		})
	}
	s.mu.Lock()
	lines := s.lines
	s.lines = nil
	lost := s.overrun - s.told
	for _, dropped := range s.dropped {
		lost += dropped
	}
	s.told += lost
	s.mu.Unlock()
	if len(lines) > 0 {
		s.sink.Lines(lines)
	}
	if lost > 0 {
		s.sink.Gap(gapDropped, s.target, 0, int64(lost), fmt.Sprintf(
			"%d datagrams were dropped: they arrived faster than they were read; raise net.core.rmem_max", lost))
	}
	return s.err
}

func (s *syslogReader) countDrops(fd int, dropped uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped[fd] = max(s.dropped[fd], dropped)
}

// checkFile recreates the socket's file if somebody has removed or replaced it. The socket stays open: NGINX's workers
// that are connected to it still send there.
func (s *syslogReader) checkFile() {
	if s.conn == nil {
		return
	}
	path := strings.TrimPrefix(s.target, "unix:")
	if info, err := os.Lstat(path); err == nil && os.SameFile(info, s.made) {
		return
	}
	s.sink.Gap(gapDropped, s.target, 0, -1, "the socket's path was removed or replaced; created it again; "+
		"messages of senders that were not connected are lost")
	s.former = append(s.former, s.conn)
	if len(s.former) > maxFormer {
		s.former[0].Close()
		s.former = s.former[1:]
	}
	s.conn, s.made, s.retry = nil, nil, time.Time{}
}

func (s *syslogReader) listen() error {
	if path, ok := strings.CutPrefix(s.target, "unix:"); ok {
		return s.listenUnix(path)
	}
	address, err := net.ResolveUDPAddr("udp", strings.TrimPrefix(s.target, "udp://"))
	if err != nil {
		return fmt.Errorf("%s: %w", s.target, err)
	}
	if s.udp, err = net.ListenUDP("udp", address); err != nil {
		return fmt.Errorf("listening on %s failed: %w", s.target, err)
	}
	raw, err := s.udp.SyscallConn()
	if err != nil {
		return err
	}
	prepare(raw)
	go s.receive(raw)
	return nil
}

// listenUnix creates the socket. It removes one that a dead process has left, but not one that is in use.
func (s *syslogReader) listenUnix(path string) error {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return fmt.Errorf("%s exists and is not a socket", path)
		}
		if probe, err := net.Dial("unixgram", path); err == nil {
			probe.Close()
			return fmt.Errorf("%s is in use by another process", path)
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing the old socket %s failed: %w", path, err)
		}
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("listening on %s failed: %w", s.target, err)
	}
	// NGINX's workers run as another user; the operator decides who may reach the folder.
	if err := os.Chmod(path, 0o666); err != nil {
		conn.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	if s.made, err = os.Lstat(path); err != nil {
		conn.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	s.conn = conn
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	prepare(raw)
	go s.receive(raw)
	return nil
}

// prepare requests a large buffer, beyond the system's limit if this process may, and reports of drops. It is not an
// error if the system refuses.
func prepare(raw syscall.RawConn) {
	raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer) != nil {
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
		}
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
}

// receive reads datagrams as they come, until the socket is closed: the kernel's buffer is small.
func (s *syslogReader) receive(raw syscall.RawConn) {
	raw.Read(func(fd uintptr) bool {
		for !s.receiveSome(int(fd)) {
		}
		return false // wait for more
	})
}

// receiveSome reads what is in the kernel's buffer, and reports whether it is empty. It limits how many it reads at
// once: somebody may want to hand them out.
func (s *syslogReader) receiveSome(fd int) (empty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range maxAtOnce {
		n, oobn, _, _, err := unix.Recvmsg(fd, s.buffer, s.oob, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return true // EAGAIN, or the socket is closed
		default:
			s.keep(fd, s.buffer[:n], s.oob[:oobn])
		}
	}
	return false
}

// keep keeps a datagram's line.
func (s *syslogReader) keep(fd int, datagram, oob []byte) {
	if dropped, ok := overflow(oob); ok {
		s.dropped[fd] = max(s.dropped[fd], dropped)
	}
	line := syslogMessage(datagram)
	if len(s.lines)+len(line)+1 > maxWaiting {
		s.overrun++
		return
	}
	s.lines = append(append(s.lines, line...), '\n')
}

// overflow returns how many datagrams the kernel has dropped for this socket, as reported with SO_RXQ_OVFL.
func overflow(oob []byte) (uint64, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			return uint64(binary.NativeEndian.Uint32(m.Data)), true
		}
	}
	return 0, false
}

// raws returns the sockets beneath the connections.
func (s *syslogReader) raws() (raws []syscall.RawConn) {
	conns := []syscall.Conn{}
	for _, conn := range s.former {
		conns = append(conns, conn)
	}
	if s.conn != nil {
		conns = append(conns, s.conn)
	}
	if s.udp != nil {
		conns = append(conns, s.udp)
	}
	for _, conn := range conns {
		if raw, err := conn.SyscallConn(); err == nil {
			raws = append(raws, raw)
		}
	}
	return raws
}

// dropsOf returns how many datagrams the kernel has dropped for a socket: the same number as datagrams carry, but
// without waiting for the next. It returns 0 before Linux 4.12.
func dropsOf(fd int) uint64 {
	const dropsIndex, values = 8, 9 // of SK_MEMINFO_…
	var info [values]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, failed := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if failed != 0 || size != uint32(unsafe.Sizeof(info)) {
		return 0
	}
	return uint64(info[dropsIndex])
}

// Close closes the socket, and removes its file.
func (s *syslogReader) Close() {
	if s.udp != nil {
		s.udp.Close()
	}
	for _, conn := range s.former {
		conn.Close()
	}
	if s.conn != nil {
		s.conn.Close()
		os.Remove(strings.TrimPrefix(s.target, "unix:"))
	}
}

// syslogMessage returns the log line of a datagram of RFC 3164 as NGINX writes it: <190>Nov 23 01:14:47 host nginx:
// LINE, and with nohostname the same without the host. It is a single line: NGINX escapes what clients send.
func syslogMessage(datagram []byte) []byte {
	const stamp = len("Nov 23 01:14:47 ")
	line := bytes.TrimRight(datagram, "\n\x00")
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = bytes.ReplaceAll(line, []byte("\n"), []byte(" "))
	}
	end := bytes.IndexByte(line, '>')
	if len(line) == 0 || line[0] != '<' || end < 2 || end > 4 || len(line) < end+1+stamp {
		return line
	}
	rest := line[end+1+stamp:]
	// The tag ends in ": "; before it there may be a host. Neither has a space.
	for range 2 {
		word, after, found := bytes.Cut(rest, []byte(" "))
		if !found {
			return line
		}
		if bytes.HasSuffix(word, []byte(":")) {
			return after
		}
		rest = after
	}
	return line
}
