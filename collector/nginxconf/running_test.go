package nginxconf

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// until waits for what NGINX does in its own time.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// startNGINX runs real NGINX on dir/nginx.conf until the test ends.
func startNGINX(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(nginxBinary(), "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-g",
		"daemon off; pid "+filepath.Join(dir, "pid")+";")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	return cmd
}

// What /proc shows of an NGINX that runs: whether it has loaded the files on disk, and its workers.
func TestRunningNGINX(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	address := "127.0.0.1:" + freePort(t)
	write := func(comment string) {
		t.Helper()
		writeText(t, conf, fmt.Sprintf("# %s\nerror_log stderr; worker_processes 2; events {} http { access_log off; "+
			"server { listen %s; } }\n", comment, address))
	}
	write("first")
	build := Installed(t.Context())
	if running, ok := FindRunning(build, conf); ok {
		t.Fatalf("it runs before it was started: %+v", running)
	}
	nginx := startNGINX(t, dir)
	var running Running
	find := func(active, shuttingDown int) func() bool {
		return func() bool {
			var ok bool
			running, ok = FindRunning(build, conf)
			return ok && len(running.Active) == active && len(running.ShuttingDown) == shuttingDown
		}
	}
	until(t, "two workers run", find(2, 0))
	if running.Master != nginx.Process.Pid || running.Prefix != dir {
		t.Errorf("%+v, want master %d and prefix %s", running, nginx.Process.Pid, dir)
	}
	if got := BuildFor(t.Context(), conf); got.Prefix != dir {
		t.Errorf("the prefix is %s, NGINX was started with -p %s", got.Prefix, dir)
	}
	c, err := Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	var loads LoadWatch
	if !loads.HasLoaded(c, running) {
		t.Error("NGINX was started on the file, and has not loaded it")
	}
	write("second")
	if loads.HasLoaded(c, running) {
		t.Error("NGINX has not been told of the change, and has loaded it")
	}

	// A connection in the middle of a request keeps its worker.
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "GET / HTTP/1.1\r\n")
	until(t, "NGINX has taken the connection", func() bool { return accepted(t, address) })
	if err := nginx.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "one worker shuts down and two are new", find(2, 1))
	if !loads.HasLoaded(c, running) {
		t.Error("NGINX was reloaded, and counts as not having loaded the file")
	}
	connection.Close()
	until(t, "the old worker has ended", find(2, 0))
}

// accepted reports whether the server's end of the connection is held by a process and its request has been read.
func accepted(t *testing.T, address string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	// sl local_address rem_address st tx_queue:rx_queue …; what NGINX has read is no longer in the queue. The inode is
	// 0 until somebody has accepted.
	const established = "01"
	for _, row := range strings.Split(string(table), "\n") {
		columns := strings.Fields(row)
		if len(columns) > 9 && columns[1] == fmt.Sprintf("0100007F:%04X", tcp.Port) && columns[3] == established {
			return columns[4] == "00000000:00000000" && columns[9] != "0"
		}
	}
	return false
}
