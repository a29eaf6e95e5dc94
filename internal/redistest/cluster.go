package redistest

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// StartCluster starts a cluster of one node, which holds all slots: it refuses
// operations whose keys are in several.
func StartCluster(t testing.TB) *Server {
	t.Helper()
	s := Start(t, "--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")
	if reply := s.Command("CLUSTER ADDSLOTSRANGE 0 16383"); reply != "+OK" {
		t.Fatal(reply)
	}
	s.await("SET redistest 1", "+OK")
	return s
}

// StartSentinel starts a sentinel that watches a server under a master's name.
func (s *Server) StartSentinel(master string) *Server {
	s.t.Helper()
	port := freePort(s.t)
	config := filepath.Join(s.t.TempDir(), "sentinel.conf")
	_, masterPort, _ := net.SplitHostPort(s.Addr)
	text := "port " + port + "\nbind 127.0.0.1\nsentinel monitor " + master + " 127.0.0.1 " + masterPort + " 1\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	sentinel := &Server{Addr: "127.0.0.1:" + port, t: s.t, args: []string{config, "--sentinel"}}
	sentinel.Run()
	s.t.Cleanup(sentinel.Kill)
	return sentinel
}

// await repeats a command until it is answered so.
func (s *Server) await(command, want string) {
	s.t.Helper()
	Eventually(s.t, command+" is answered with "+want, func() bool { return s.Command(command) == want })
}

// Eventually waits for a state that is not the test's own, which fails if it does not come.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never so: %s", what)
		}
	}
}
