package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// server is a running server process.
type server struct {
	name  string
	cmd   *exec.Cmd
	admin string // Caddy's admin address; empty for others
	log   string
	ended chan struct{}

	cleanup func() // after the process has ended; may be nil
}

// contestant is one place that answers requests: an address, and the server
// it is charged to. Two contestants may share a server.
type contestant struct {
	name   string
	server *server
	addr   string
}

// start runs args on the server's CPUs and waits until addr accepts
// connections.
func (b *bench) start(name, addr string, env []string, args ...string) (*server, error) {
	args = b.cpus.onServer(args...)
	s := &server{name: name, log: filepath.Join(b.dir, name+".log"), ended: make(chan struct{})}
	out, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.Env = append(os.Environ(), env...)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.ready(addr); err != nil {
		s.stop()
		text, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("starting %s: %w\n%s", name, err, text[max(0, len(text)-2000):])
	}
	return s, nil
}

// ready waits until addr accepts a connection.
func (s *server) ready(addr string) error {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("it ended at once")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.New("it does not accept connections")
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// stop ends the process, politely first.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	if s.cleanup != nil {
		s.cleanup()
	}
}

// directory makes a directory for a server below the temporary one.
func (b *bench) directory(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// lookPath says which program is missing in the words of the report.
func lookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("no %s in PATH", program)
	}
	return path, nil
}
