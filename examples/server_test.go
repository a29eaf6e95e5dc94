package examples_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// server is an origin of the machine that the test started: its directories,
// and what it counted.
type server struct {
	t     *testing.T
	root  string // what it serves
	state string // where its programs leave their traces
	logs  string
}

// newServer makes the directories. The server may give up its privileges, so
// all of them are open to everyone, whatever the umask. They are not in
// t.TempDir, which is closed, and too long a path for a socket.
func newServer(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "portico")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, root: filepath.Join(dir, "root"), state: filepath.Join(dir, "state"), logs: filepath.Join(dir, "logs")}
	for _, d := range []string{dir, s.root, s.state, s.logs} {
		openDir(t, d, 0o777)
	}
	return s
}

func openDir(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(dir, mode), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
}

// write puts a file into the root.
func (s *server) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	file := filepath.Join(s.root, filepath.FromSlash(name))
	if dir := filepath.Dir(file); dir != s.root {
		openDir(s.t, dir, 0o755)
	}
	if err := errors.Join(os.WriteFile(file, []byte(text), mode), os.Chmod(file, mode)); err != nil {
		s.t.Fatal(err)
	}
}

// run starts the server and waits until it accepts connections.
func (s *server) run(network, addr, program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("starting %s: %v", program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		<-ended
		if s.t.Failed() {
			s.t.Logf("%s:\n%s%s", program, output.Bytes(), s.log("error.log"))
		}
	})
	eventually(s.t, program+" to listen", func() bool {
		select {
		case err := <-ended:
			ended <- err
			s.t.Fatalf("%s ended: %v", program, err)
		default:
		}
		conn, err := net.Dial(network, addr)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// count is how many lines a program of the server has left under name: one for
// each request it began.
func (s *server) count(name string) int {
	return strings.Count(s.trace(name), "\n")
}

func (s *server) trace(name string) string {
	b, err := os.ReadFile(filepath.Join(s.state, name))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(b)
}

// openGate lets the programs that wait at the gate go on.
func (s *server) openGate() {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.state, "gate"), nil, 0o666); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) log(name string) string {
	b, err := os.ReadFile(filepath.Join(s.logs, name))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(b)
}

// program finds a server by its name or by a pattern. Without it, the test is
// skipped on a laptop and fails in CI.
func program(t *testing.T, name, pattern, debian string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin"} { // sbin is not in everyone's PATH
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and in CI it must be: apt install %s", name, debian)
	}
	t.Skipf("%s is not installed: apt install %s", name, debian)
	return ""
}
