package portico_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A client that sends requests without reading answers fills its connection,
// and is stuck in the middle of one. Where it leads a fetch then, at any byte of
// the answer, the others still get all of it (RFC 9112 §9.3.2 lets it pipeline).
func TestClientThatPipelinesAndNeverReads(t *testing.T) {
	stored, first, rest := pattern(0, 64<<10), pattern(0, 64<<10), pattern(64<<10, 8<<20)
	cold := newColdPages(first, rest)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stored" {
			w.Header().Set("Cache-Control", "max-age=600")
			_, _ = w.Write(stored)
			return
		}
		cold.answer(w, r)
	})
	s := startSite(t, origin.addr, siteConfig{})
	s.get("/stored")
	s.hitWith("/stored", stored)
	led := 0
	for _, before := range []int{0, 1, 2, 3, 4, 8, 16, 32, 64} {
		path := fmt.Sprintf("/cold/%d", before)
		stuck := s.sendUnread(append(slices.Repeat([]string{"/stored"}, before), path)...)
		if cold.arrives(path) {
			led++
		}
		other := s.sendTo(path)
		s.wait(other, "the first piece", func() bool { return len(other.body) >= len(first) })
		cold.release(path)
		s.wait(other, "the end", func() bool { return other.done })
		if other.err != nil || !bytes.Equal(other.body, pattern(0, 64<<10+8<<20)) {
			t.Errorf("behind %d pipelined requests: error %v, %d bytes", before, other.err, len(other.body))
		}
		stuck.Close()
	}
	if led == 0 {
		t.Error("the client that does not read has never led a fetch")
	}
}

// sendUnread sends GETs on a connection of its own, with as small a window as
// the system lets it have.
func (s *site) sendUnread(paths ...string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.vars["$HTTP"])
	if err != nil {
		s.t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	var requests strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&requests, "GET %s HTTP/1.1\r\nHost: site.test\r\n\r\n", path)
	}
	if _, err := conn.Write([]byte(requests.String())); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// coldPages are pages of two pieces; the second comes when it is released.
type coldPages struct {
	first, rest []byte

	mu       sync.Mutex
	arrived  map[string]chan struct{}
	released map[string]chan struct{}
}

func newColdPages(first, rest []byte) *coldPages {
	return &coldPages{first: first, rest: rest, arrived: map[string]chan struct{}{}, released: map[string]chan struct{}{}}
}

// gates are closed when a page was asked for, and when it is released.
func (c *coldPages) gates(path string) (arrived, released chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arrived[path] == nil {
		c.arrived[path], c.released[path] = make(chan struct{}), make(chan struct{})
	}
	return c.arrived[path], c.released[path]
}

func (c *coldPages) answer(w http.ResponseWriter, r *http.Request) {
	arrived, released := c.gates(r.URL.Path)
	close(arrived) // a second request for one page would panic: nobody is to need it
	begunBy(c.first, c.rest, released)(w, r)
}

// arrives reports whether a page is asked for soon. Where the connection is full
// before, it is not.
func (c *coldPages) arrives(path string) bool {
	arrived, _ := c.gates(path)
	select {
	case <-arrived:
		return true
	case <-time.After(100 * time.Millisecond):
		return false
	}
}

func (c *coldPages) release(path string) {
	_, released := c.gates(path)
	close(released)
}
