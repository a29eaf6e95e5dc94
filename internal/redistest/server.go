// Package redistest runs a real redis-server for a test: on a free port of the
// loopback, without persistence, ended with the test.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A Server is a redis-server process.
type Server struct {
	Addr string // host:port

	t      testing.TB
	args   []string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a server with options as on its command line, and waits until it
// answers. Without redis-server the test is skipped, and fails in CI.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed: .ci/install.sh installs it")
		}
		t.Skip("needs redis-server, which is not installed here")
	}
	port := freePort(t)
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), t: t, args: append([]string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", t.TempDir(), "--loglevel", "warning",
	}, options...)}
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// Run starts the server again, on the same port and empty, after Kill.
func (s *Server) Run() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
	for deadline := time.Now().Add(30 * time.Second); !s.answers(); {
		select {
		case <-s.exited:
			s.t.Fatalf("redis-server %q ended", s.args)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatal("redis-server does not answer")
		}
	}
}

// answers reports whether the server speaks, be it only to ask for a password.
func (s *Server) answers() bool {
	reply, err := s.command("PING")
	return err == nil && (reply == "+PONG" || strings.HasPrefix(reply, "-NOAUTH"))
}

func (s *Server) command(line string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
		return "", err
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(reply), err
}

// Command sends a command of words without spaces and returns the first line of
// the answer, as the protocol writes it.
func (s *Server) Command(line string) string {
	s.t.Helper()
	reply, err := s.command(line)
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return reply
}

// Kill ends the server as kill -9 does, if it runs.
func (s *Server) Kill() {
	select {
	case <-s.exited:
	default:
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}
