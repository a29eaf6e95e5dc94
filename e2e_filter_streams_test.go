package portico_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What goes on for long or is large passes request_filter with its defaults as it
// passes without: each test is one of the kinds of traffic that filters stop.

const filterDefaults = "request_filter\nreverse_proxy $ORIGIN"

func TestFilterPassesUploads(t *testing.T) {
	const size = 32 << 20
	got := make(chan int64, 1)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got <- n
	})
	s := startSite(t, origin.addr, siteConfig{http: filterDefaults})
	form, contentType := largeForm(size)
	for _, test := range []struct {
		name, contentType string
		body              io.Reader
		size              int64 // -1 is not said
	}{
		{"chunked, of any type", "application/octet-stream", io.LimitReader(zeros{}, size), -1},
		{"of a known length", "video/mp4", io.LimitReader(zeros{}, size), size},
		{"without a type", "", io.LimitReader(zeros{}, size), -1},
		{"a file in a form", contentType, form, -1},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url("/upload"), test.body)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.ContentLength = "site.test", test.size
		if test.contentType != "" {
			r.Header.Set("Content-Type", test.contentType)
		}
		response, err := s.client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		response.Body.Close()
		if n := <-got; response.StatusCode != http.StatusOK || n < size {
			t.Errorf("%s: status %d, the origin got %d bytes of %d", test.name, response.StatusCode, n, size)
		}
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func largeForm(size int64) (body io.Reader, contentType string) {
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		part, err := form.CreateFormFile("file", "picture.png")
		if err == nil {
			_, err = io.CopyN(part, zeros{}, size)
		}
		if err == nil {
			err = form.Close()
		}
		w.CloseWithError(err)
	}()
	return r, form.FormDataContentType()
}

// Events arrive when they are sent (the second one is sent when the first has
// arrived).
func TestFilterPassesEvents(t *testing.T) {
	second := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		flush(w)
		waitFor(r, second)
		fmt.Fprint(w, "data: 2\n\n")
	})
	s := startSite(t, origin.addr, siteConfig{http: filterDefaults})
	e := s.sendTo("/events", "Accept", "text/event-stream")
	s.wait(e, "the first event", func() bool { return string(e.body) == "data: 1\n\n" })
	close(second)
	s.wait(e, "the end", func() bool { return e.done })
	if got := string(e.body); got != "data: 1\n\ndata: 2\n\n" {
		t.Errorf("got %q", got)
	}
}

func TestFilterPassesWebSockets(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(conn, strings.ToUpper(line))
		}
	})
	s := startSite(t, origin.addr, siteConfig{http: filterDefaults})
	conn := s.dial("GET /chat HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://site.test\r\n\r\n")
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", response, err)
	}
	for _, word := range []string{"one\n", "two\n"} {
		fmt.Fprint(conn, word)
		if got, err := r.ReadString('\n'); got != strings.ToUpper(word) {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// gRPC over HTTP/2 from end to end: both directions at once, then trailers.
func TestFilterPassesGRPC(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		flush(w)
		buf := make([]byte, 64)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			flush(w)
			if err != nil {
				break
			}
		}
		w.Header().Set("Grpc-Status", "0")
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	s := startSite(t, server.Listener.Addr().String(), siteConfig{https: "request_filter\nreverse_proxy h2c://$ORIGIN"})
	body, say := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.vars["$HTTPS"]+"/pkg.Service/Method", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "site.test"
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	client := &http.Client{Transport: secondHTTP(t)}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	echo := bufio.NewReader(response.Body)
	for _, word := range []string{"one\n", "two\n"} {
		fmt.Fprint(say, word)
		if got, err := echo.ReadString('\n'); got != word {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	say.Close()
	_, _ = io.Copy(io.Discard, echo)
	if got := response.Trailer.Get("Grpc-Status"); response.ProtoMajor != 2 || got != "0" {
		t.Errorf("%s, Grpc-Status %q", response.Proto, got)
	}
}

// secondHTTP is a client's transport for HTTP/2 alone.
func secondHTTP(t *testing.T) *http.Transport {
	transport := newClient(t).Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP2(true)
	return transport
}

// Old clients and slow ones: no Host in HTTP/1.0, a request byte by byte.
func TestFilterPassesOldAndSlowClients(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	s := startSite(t, origin.addr, siteConfig{http: filterDefaults})
	conn := s.dial("GET /old HTTP/1.0\r\n\r\n")
	if got, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(got), "\r\n\r\n/old") {
		t.Errorf("got %q, %v", got, err)
	}
	slow, err := net.Dial("tcp", s.vars["$HTTP"])
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_ = slow.SetDeadline(time.Now().Add(patience))
	for _, c := range "GET /slow HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n" {
		fmt.Fprintf(slow, "%c", c)
	}
	if got, err := io.ReadAll(slow); err != nil || !strings.HasSuffix(string(got), "/slow") {
		t.Errorf("got %q, %v", got, err)
	}
}
