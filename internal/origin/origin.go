// Package origin is the origin server of the tests and of the benchmark: one
// server whose every answer is written as a short script in the language of
// a query string, either in the URL itself or set for a path beforehand.
//
//	o := origin.New(t)
//	o.URL + "/a?n=1024&cc=max-age=60"              // 1 KiB, fresh for a minute
//	o.Script("/b", "n=10&etag=v1", "status=500")   // /b: first a 200, from then on 500
//	o.Script("/c", "n=64&hold=more@16&cc=max-age=9") // header and 16 bytes, then …
//	o.Gate("more").Open()                           // … the rest when the test says so
//	o.Count("/b"), o.Requests("/b")                 // what arrived, with its headers
//
// The first segment of the path (or the option page) selects how an answer is
// produced; every page understands the options of script.go that make sense
// for it. An unknown first segment is the page "bytes", so a test is free to
// give its resources any path.
//
//	bytes    a sized body; also 304 where etag or lm match (RFC 9110 §13)
//	file     the same through http.ServeContent: Range, If-Range, all preconditions
//	sse      server-sent events
//	ws       a WebSocket that echoes (RFC 6455)
//	upgrade  101 to whatever was asked for, then echoes raw bytes
//	raw      bytes no HTTP library would send: see the table in raw.go
//
// Nothing here waits for wall-clock time unless a script says so: a Gate
// holds an answer exactly as long as a test wants, and delays use timers, which
// are fake time inside a testing/synctest bubble. A body never exists in
// memory: 1 GiB costs as much as 1 KiB (body.go).
package origin

import (
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// bodyKept is how much of a request body is remembered; the rest is counted.
const bodyKept = 64 << 10

// TB is the part of testing.TB that New needs, so that the benchmark does not
// link the testing package.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Origin is the server. All methods are safe for concurrent use.
type Origin struct {
	URL  string // "http://127.0.0.1:port", no slash at the end
	Addr string // "127.0.0.1:port"

	// Sleep waits for the delays of scripts; a timer by default. Set it
	// before the first request.
	Sleep func(ctx context.Context, d time.Duration) error

	// Keep is how many requests are remembered for each path; they are
	// counted beyond that. Default: 1000.
	Keep int

	// server and stop belong to one Start and are replaced by the next.
	server *http.Server
	ctx    context.Context // of every answer
	stop   context.CancelFunc

	mu    sync.Mutex // guards what follows
	seen  map[string]*path
	gates map[string]*Gate
}

// path is what is known of one URL path.
type path struct {
	scripts  []*script // the last one repeats; none: the query is the script
	arrived  tally
	requests []Request
}

// Request is one request as the origin saw it.
type Request struct {
	Method string
	URI    string // path and query as sent
	Host   string
	Proto  string
	Header http.Header
	Body   []byte // its first 64 KiB
	Length int64  // of the whole body
	Serial int    // 1 for the first request of this path
}

// New starts an origin on a free loopback port. With a t it is closed when
// the test ends; with nil the caller closes it, and failing to listen panics.
func New(t TB) *Origin {
	o := NewHandler()
	err := o.Start()
	if t == nil {
		if err != nil {
			panic(err)
		}
		return o
	}
	t.Helper()
	if err != nil {
		t.Fatalf("starting the origin: %v", err)
	}
	t.Cleanup(o.Close)
	return o
}

// NewHandler returns an origin without a server, for tests that call
// ServeHTTP themselves or Serve on a listener of their own.
func NewHandler() *Origin {
	return &Origin{
		Sleep: sleep,
		Keep:  1000,
		seen:  map[string]*path{},
		gates: map[string]*Gate{},
	}
}

// Start listens on a free port, or on the former one after Close, so that a
// test can take its origin away and bring it back.
func (o *Origin) Start() error {
	addr := o.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	o.Addr = l.Addr().String()
	o.URL = "http://" + o.Addr
	o.prepare()
	go o.server.Serve(l) //nolint:errcheck // ends with ErrServerClosed
	return nil
}

// Serve answers on l until Close. HTTP/1 and cleartext HTTP/2 are spoken.
func (o *Origin) Serve(l net.Listener) error {
	o.prepare()
	if err := o.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (o *Origin) prepare() {
	ctx, stop := context.WithCancel(context.Background())
	o.ctx, o.stop = ctx, stop
	o.server = &http.Server{
		Handler:     o,
		Protocols:   new(http.Protocols),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0), // aborted handlers are meant
	}
	o.server.Protocols.SetHTTP1(true)
	o.server.Protocols.SetUnencryptedHTTP2(true)
}

// Close ends the server and every answer it is still giving. Counts, scripts
// and gates remain.
func (o *Origin) Close() {
	if o.server == nil {
		return
	}
	o.stop()
	o.server.Close()
}

// closeWith makes Close end a connection that was taken from the server.
func (o *Origin) closeWith(conn net.Conn) {
	if o.ctx != nil {
		context.AfterFunc(o.ctx, func() { conn.Close() })
	}
}

// Script makes the path answer by these scripts instead of by its query: the
// first request by the first, and so on; the last one repeats. Without
// scripts the query decides again. It panics on a script it does not
// understand, unlike a URL, whose unknown parameters are ignored.
func (o *Origin) Script(urlPath string, scripts ...string) {
	parsed := make([]*script, len(scripts))
	for i, text := range scripts {
		s, err := parseScript(urlPath, text, true)
		if err != nil {
			panic("origin: script of " + urlPath + ": " + err.Error())
		}
		parsed[i] = s
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pathLocked(urlPath).scripts = parsed
}

// Count is the number of requests that arrived for the path, whatever their
// query and method.
func (o *Origin) Count(urlPath string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pathLocked(urlPath).arrived.n
}

// Counts is Count for every path that was asked for.
func (o *Origin) Counts() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := make(map[string]int, len(o.seen))
	for name, p := range o.seen {
		if p.arrived.n > 0 {
			counts[name] = p.arrived.n
		}
	}
	return counts
}

// Seen is closed as soon as n requests have arrived for the path.
func (o *Origin) Seen(urlPath string, n int) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pathLocked(urlPath).arrived.reached(n)
}

// Requests returns the requests of the path in the order of their arrival.
func (o *Origin) Requests(urlPath string) []Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := o.pathLocked(urlPath).requests
	requests := make([]Request, len(kept))
	for i, r := range kept {
		r.Header = maps.Clone(r.Header)
		requests[i] = r
	}
	return requests
}

// Gate returns the gate of that name, closed when it is new.
func (o *Origin) Gate(name string) *Gate {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.gates[name]
	if g == nil {
		g = new(Gate)
		o.gates[name] = g
	}
	return g
}

// pathLocked returns what is known of the path. The caller holds o.mu.
func (o *Origin) pathLocked(name string) *path {
	p := o.seen[name]
	if p == nil {
		p = new(path)
		o.seen[name] = p
	}
	return p
}

// sleep is the default Origin.Sleep.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
