package portico_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// clients is how many clients the tests of concurrency send at once.
const clients = 50

// testOrigin is an origin made of a function, which counts its requests.
type testOrigin struct {
	addr     string
	requests atomic.Int64
	conns    atomic.Int64 // open now
}

func startOrigin(t testing.TB, answer http.HandlerFunc) *testOrigin {
	o := new(testOrigin)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.requests.Add(1)
		answer(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			o.conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			o.conns.Add(-1)
		}
	}
	// An address that no test had before: what is known of upstreams outlives one.
	listener, err := net.Listen("tcp", freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	o.addr = listener.Addr().String()
	return o
}

// sendTo starts a GET of path with fields ("Name", "value", …).
func (s *site) sendTo(path string, fields ...string) *exchange {
	return send(s.client, s.request(path, fields...))
}

func (s *site) request(path string, fields ...string) *http.Request {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url(path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = "site.test"
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// get is a GET to its end. A transfer that breaks is a failure. One that never
// began after a reload is not: Caddy's reload closes connections that are queued,
// whatever the handlers are.
func (s *site) get(path string, fields ...string) *exchange {
	s.t.Helper()
	var e *exchange
	for range 10 {
		e = s.sendTo(path, fields...)
		s.wait(e, "the end", func() bool { return e.done })
		if e.err == nil || e.header != nil || s.loads < 2 {
			break
		}
	}
	if e.err != nil {
		s.t.Fatalf("GET %s: %v", path, e.err)
	}
	return e
}

// wait waits for a state of e.
func (s *site) wait(e *exchange, what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if !e.until(ctx, ok) {
		s.t.Fatalf("waiting for %s: %v", what, shorten(fmt.Sprint(e.facts())))
	}
}

// hitWith fails unless path is a hit with that body.
func (s *site) hitWith(path string, body []byte) {
	s.t.Helper()
	e := s.get(path)
	if status := e.header.Get("Cache-Status"); !isHit(e) {
		s.t.Errorf("GET %s: Cache-Status %q, want a hit", path, status)
	}
	if !bytes.Equal(e.body, body) {
		s.t.Errorf("GET %s: %d bytes, want the %d stored ones", path, len(e.body), len(body))
	}
}

func isHit(e *exchange) bool {
	return facts{"s": e.header.Get("Cache-Status")}.check(`s ~ (^|, )Portico; hit`) == nil
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// begunBy is an origin that sends a first chunk and waits for more.
func begunBy(first, rest []byte, more <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(first)
		flush(w)
		select {
		case <-more:
			_, _ = w.Write(rest)
		case <-r.Context().Done():
		}
	}
}

// everyone sees the first chunk at the origin's
// pace, and the origin one request.
func TestFirstChunkReachesEveryClient(t *testing.T) {
	more := make(chan struct{})
	first, rest := pattern(0, 1000), pattern(1000, 200_000)
	origin := startOrigin(t, begunBy(first, rest, more))
	s := startSite(t, origin.addr, siteConfig{})
	var crowd []*exchange
	for range clients {
		crowd = append(crowd, s.sendTo("/a"))
	}
	for _, e := range crowd {
		s.wait(e, "the first chunk", func() bool { return len(e.body) == len(first) })
	}
	close(more)
	for _, e := range crowd {
		s.wait(e, "the end", func() bool { return e.done })
		if e.err != nil || !bytes.Equal(e.body, pattern(0, 201_000)) {
			t.Fatalf("error %v, %d bytes, want 201000", e.err, len(e.body))
		}
	}
	if n := origin.requests.Load(); n != 1 {
		t.Errorf("the origin saw %d requests, want 1", n)
	}
	s.hitWith("/a", pattern(0, 201_000))
}

// The client whose request went to the origin leaves: before the head, and in
// the middle of the body.
func TestLeaderLeaves(t *testing.T) {
	for _, when := range []string{"before the head", "in the body"} {
		t.Run(when, func(t *testing.T) {
			more, head := make(chan struct{}), make(chan struct{})
			arrived := make(chan struct{}, clients)
			inner := begunBy(pattern(0, 1000), pattern(1000, 100_000), more)
			origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				<-head
				inner(w, r)
			})
			s := startSite(t, origin.addr, siteConfig{})
			leader := s.sendTo("/a")
			<-arrived
			var others []*exchange
			for range clients {
				others = append(others, s.sendTo("/a"))
			}
			if when == "in the body" {
				close(head)
				s.wait(leader, "the first chunk", func() bool { return len(leader.body) == 1000 })
			}
			leader.cancel()
			s.wait(leader, "its end", func() bool { return leader.done })
			if when == "before the head" {
				close(head)
			}
			close(more)
			for _, e := range others {
				s.wait(e, "the end", func() bool { return e.done })
				if e.err != nil || !bytes.Equal(e.body, pattern(0, 101_000)) {
					t.Fatalf("error %v, %d bytes, want 101000", e.err, len(e.body))
				}
			}
			if n := origin.requests.Load(); n != 1 {
				t.Errorf("the origin saw %d requests, want 1", n)
			}
			s.hitWith("/a", pattern(0, 101_000))
		})
	}
}

// Everybody leaves: what was begun is still fetched, and stored.
func TestAllClientsLeave(t *testing.T) {
	more, finished := make(chan struct{}), make(chan bool, 1)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		begunBy(pattern(0, 1000), pattern(1000, 100_000), more)(w, r)
		finished <- r.Context().Err() == nil
	})
	s := startSite(t, origin.addr, siteConfig{})
	only := s.sendTo("/a")
	s.wait(only, "the first chunk", func() bool { return len(only.body) == 1000 })
	only.cancel()
	s.wait(only, "its end", func() bool { return only.done })
	close(more)
	if !<-finished {
		t.Error("the fetch ended with the client")
	}
	s.hitWith("/a", pattern(0, 101_000))
	if n := origin.requests.Load(); n != 1 {
		t.Errorf("the origin saw %d requests, want 1", n)
	}
}

// stalledClient asks for path on a connection of its own and reads 1 KiB, no
// more, until the test lets it.
func stalledClient(t *testing.T, s *site, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.vars["$HTTP"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n", path)
	if _, err := io.ReadFull(conn, make([]byte, 1024)); err != nil {
		t.Fatalf("the stalled client: %v", err)
	}
	return conn
}

// A leader that hardly reads delays nobody, and loses nothing.
func TestSlowLeader(t *testing.T) {
	const size = 40 << 20 // more than the sockets between hold
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(pattern(0, size))
	})
	s := startSite(t, origin.addr, siteConfig{})
	slow := stalledClient(t, s, "/a")
	whole := pattern(0, size)
	for range 3 {
		e := s.get("/a")
		if !bytes.Equal(e.body, whole) {
			t.Fatalf("%d bytes beside a slow leader, want %d", len(e.body), size)
		}
	}
	_ = slow.SetDeadline(time.Now().Add(2 * patience))
	rest, err := io.ReadAll(slow)
	if err != nil {
		t.Fatalf("the slow leader: %v", err)
	}
	if !bytes.HasSuffix(rest, pattern(size-10_000, 10_000)) {
		t.Errorf("the slow leader lost the end")
	}
	if n := origin.requests.Load(); n != 1 {
		t.Errorf("the origin saw %d requests, want 1", n)
	}
}

// The same for a body that turns out, while all are reading it, too large to
// be kept.
func TestSlowLeaderOfLargeBody(t *testing.T) {
	const size = 40 << 20
	more := make(chan struct{})
	origin := startOrigin(t, begunBy(pattern(0, 500_000), pattern(500_000, size-500_000), more))
	s := startSite(t, origin.addr, siteConfig{http: "response_cache {\nmax_object_size 1MiB\n}\nreverse_proxy $ORIGIN"})
	_ = stalledClient(t, s, "/a")
	var others []*exchange
	for range 3 {
		others = append(others, s.sendTo("/a"))
	}
	for _, e := range others {
		s.wait(e, "the beginning", func() bool { return len(e.body) == 500_000 })
	}
	close(more)
	for _, e := range others {
		s.wait(e, "the end", func() bool { return e.done })
		if e.err != nil || !bytes.Equal(e.body, pattern(0, size)) {
			t.Errorf("beside a slow leader: %v after %d bytes, want %d", e.err, len(e.body), size)
		}
	}
}

// An origin that breaks off in the body: nobody gets a complete-looking
// answer, and nothing is stored. Over HTTP/1.1 and HTTP/2, with a length and without.
func TestOriginAbortsInBody(t *testing.T) {
	for _, length := range []string{"", "5000"} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
			t.Run(fmt.Sprintf("%s length %q", protocol, length), func(t *testing.T) {
				testOriginAborts(t, protocol, length)
			})
		}
	}
}

func testOriginAborts(t *testing.T, protocol, length string) {
	more := make(chan struct{})
	var whole atomic.Bool
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		if length != "" {
			w.Header().Set("Content-Length", length)
		}
		_, _ = w.Write(pattern(0, 1000))
		if whole.Load() {
			_, _ = w.Write(pattern(1000, 4000))
			return
		}
		flush(w)
		<-more
		panic(http.ErrAbortHandler)
	})
	s := startSite(t, origin.addr, siteConfig{global: "servers {\nprotocols h1 h2 h2c\n}"})
	if protocol == "HTTP/2" {
		s.speakHTTP2()
	}
	var crowd []*exchange
	for range clients {
		crowd = append(crowd, s.sendTo("/a"))
	}
	for _, e := range crowd {
		s.wait(e, "the first chunk", func() bool { return len(e.body) == 1000 })
	}
	close(more)
	for i, e := range crowd {
		s.wait(e, "the end", func() bool { return e.done })
		if e.err == nil {
			t.Fatalf("client %d got a complete-looking answer of %d bytes", i, len(e.body))
		}
		if protocol == "HTTP/1.1" && !errors.Is(e.err, io.ErrUnexpectedEOF) {
			t.Errorf("client %d: %v, want an unexpected EOF", i, e.err)
		}
	}
	whole.Store(true)
	if e := s.get("/a"); isHit(e) || !bytes.Equal(e.body, pattern(0, 5000)) {
		t.Errorf("after the abort: %q, %d bytes, want 5000 from the origin", e.header.Get("Cache-Status"), len(e.body))
	}
}

// speakHTTP2 makes the client use HTTP/2 without TLS.
func (s *site) speakHTTP2() {
	s.client.CloseIdleConnections()
	s.client = newClient(s.t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s.client.Transport.(*http.Transport).Protocols = protocols
}

// Clients that leave while they wait leave nothing behind in the process.
func TestNothingLeaksWhenClientsLeave(t *testing.T) {
	more := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		<-more
		begunBy(pattern(0, 1000), pattern(1000, 1000), more)(w, r)
	})
	s := startSite(t, origin.addr, siteConfig{})
	before := runtime.NumGoroutine()
	var crowd []*exchange
	for i := range 4 * clients {
		crowd = append(crowd, s.sendTo(fmt.Sprintf("/%d", i%10)))
	}
	for origin.requests.Load() < 10 {
		pause(t.Context(), time.Millisecond)
	}
	for _, e := range crowd {
		e.cancel()
		s.wait(e, "its end", func() bool { return e.done })
	}
	close(more)
	s.client.CloseIdleConnections()
	for deadline := time.Now().Add(patience); ; pause(t.Context(), time.Millisecond) {
		left := runtime.NumGoroutine() - before
		if left <= 45 { // idle connections of Caddy to the origin have three or four each
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left of %d requests", left, len(crowd))
		}
	}
}
