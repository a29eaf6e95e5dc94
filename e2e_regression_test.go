package portico_test

// Mistakes that the cache once made where a scenario cannot show them: clients
// that treat their connection in odd ways, and handlers around the cache that
// only the race detector can judge.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// dial opens a connection of its own to the site and sends text on it.
func (s *site) dial(text string) *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.vars["$HTTP"])
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// departures is a handler that tells when contexts of requests end: net/http
// ends them as soon as the client ends its side, or the request is answered.
type departures struct{}

var departed = make(chan struct{}, 16)

func init() {
	caddy.RegisterModule(departures{})
	httpcaddyfile.RegisterHandlerDirective("test_departures",
		func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) { return departures{}, nil })
}

func (departures) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_departures", New: func() caddy.Module { return new(departures) }}
}

func (departures) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	context.AfterFunc(r.Context(), func() { departed <- struct{}{} })
	return next.ServeHTTP(w, r)
}

// RFC 9112 §8: a client that ends its side of the connection may still read.
// Where the cache gives its answer up for that, the client can tell: it gets an
// error or something incomplete, never an empty 200 or a part that looks whole.
// Both for the client whose request goes to the origin and for one that waits.
func TestRegressionHalfClosedConnection(t *testing.T) {
	for _, when := range []string{"before the head", "in the body"} {
		t.Run(when, func(t *testing.T) {
			head, more := make(chan struct{}), make(chan struct{})
			body := begunBy(pattern(0, 1000), pattern(1000, 1000), more)
			origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
				<-head
				body(w, r)
			})
			s := startSite(t, origin.addr, siteConfig{http: "route {\ntest_departures\n" + defaultSite + "\n}"})
			if when == "in the body" {
				close(head)
			}
			var conns []net.Conn
			for range 2 {
				conn := s.dial("GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n")
				if err := conn.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				<-departed
				conns = append(conns, conn)
			}
			if when == "before the head" {
				close(head)
			}
			close(more)
			for i, conn := range conns {
				status, n, err := readAnswer(conn)
				if err == nil && status < 400 && n != 2000 {
					t.Errorf("client %d got a complete-looking %d of %d bytes", i, status, n)
				}
			}
		})
	}
}

// readAnswer reads one answer to its end. The error is what tells a client that
// it is not whole.
func readAnswer(conn net.Conn) (status int, n int64, err error) {
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, 0, err
	}
	defer r.Body.Close()
	n, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, n, err
}

// [http.ResponseWriter]: handlers may add trailers to the header after the body,
// while a writer outside the cache takes its fields from the client's header.
// These are not one map. (Only the race detector sees the difference.)
func TestRegressionHeaderOfItsOwn(t *testing.T) {
	body := pattern(0, 2400)
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(body)
		flush(w)
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	})
	s := startSite(t, origin.addr, siteConfig{http: "route {\nencode gzip\nresponse_cache\nreverse_proxy $ORIGIN\n}"})
	var crowd []*exchange
	for i := range 4 * clients {
		crowd = append(crowd, s.sendTo(fmt.Sprintf("/%d", i), "Accept-Encoding", "gzip"))
	}
	for _, e := range crowd {
		s.wait(e, "the end", func() bool { return e.done })
		if e.err != nil || e.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("error %v, header %v, want a compressed answer", e.err, e.header)
		}
	}
}
