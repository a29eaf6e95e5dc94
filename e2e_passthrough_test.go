package portico_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// streams are left alone.

// Every event arrives before the origin is asked to make the next.
func TestServerSentEvents(t *testing.T) {
	next := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", r.URL.Query().Get("cc"))
		flush(w)
		for i := range 5 {
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
			flush(w)
		}
	})
	s := startSite(t, origin.addr, siteConfig{})
	// A careless origin gives its stream a lifetime: it is a stream nevertheless.
	for _, path := range []string{"/events?cc=no-cache", "/events?cc=max-age=60", "/events?cc=max-age=60"} {
		before := origin.requests.Load()
		r := s.request(path, "Accept", "text/event-stream, */*;q=0.1")
		response, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(response.Body)
		for i := range 5 {
			next <- struct{}{}
			if line, err := lines.ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("%s: event %d is %q, %v", path, i, line, err)
			}
			_, _ = lines.ReadString('\n')
		}
		if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
			t.Errorf("%s: after the events %q, %v", path, rest, err)
		}
		response.Body.Close()
		if origin.requests.Load() != before+1 {
			t.Errorf("%s: the stream did not come from the origin", path)
		}
	}
}

// Listeners do not wait for each other, not even on a cold key of an origin
// that sends the head only with the first event.
func TestServerSentEventsAreNotCollapsed(t *testing.T) {
	event := make(chan struct{})
	arrived := make(chan struct{}, 2)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-event
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
	})
	s := startSite(t, origin.addr, siteConfig{})
	defer close(event)
	for i := range 2 {
		s.sendTo("/events", "Accept", "text/event-stream")
		select {
		case <-arrived:
		case <-time.After(patience):
			t.Fatalf("listener %d does not reach the origin", i+1)
		}
	}
}

// An origin's stream ends when its client leaves: nothing goes on filling.
func TestServerSentEventsClientLeaves(t *testing.T) {
	gone := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		flush(w)
		<-r.Context().Done()
		close(gone)
	})
	s := startSite(t, origin.addr, siteConfig{})
	e := s.sendTo("/events", "Accept", "text/event-stream")
	s.wait(e, "the first event", func() bool { return len(e.body) > 0 })
	e.cancel()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the origin still sends events to a client that left")
	}
}

func TestWebSocket(t *testing.T) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(kind, message); err != nil {
				return
			}
		}
	})
	s := startSite(t, origin.addr, siteConfig{})
	for range 2 { // the second is no hit
		conn, response, err := websocket.DefaultDialer.Dial("ws://"+s.vars["$HTTP"]+"/ws", nil)
		if err != nil {
			t.Fatalf("the handshake: %v (%v)", err, response)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		for i := range 3 {
			want := fmt.Sprintf("message %d", i)
			if err := conn.WriteMessage(websocket.TextMessage, []byte(want)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := conn.ReadMessage(); err != nil || string(got) != want {
				t.Fatalf("echo of %q is %q, %v", want, got, err)
			}
		}
		conn.Close()
	}
	if n := origin.requests.Load(); n != 2 {
		t.Errorf("the origin saw %d handshakes, want 2", n)
	}
}

// gRPC's shape: a POST over HTTP/2 whose messages go both ways at the same
// time, and whose status is a trailer.
func TestBidirectionalStreamWithTrailers(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusOK)
		flush(w)
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			fmt.Fprintf(w, "echo %s", line)
			flush(w)
		}
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	s := startSite(t, server.Listener.Addr().String(), siteConfig{
		global: "servers {\nprotocols h1 h2 h2c\n}",
		http:   "response_cache\nreverse_proxy h2c://$ORIGIN",
	})
	s.speakHTTP2()
	for range 2 {
		talk(t, s)
	}
}

func talk(t *testing.T, s *site) {
	t.Helper()
	out, in := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url("/service/Method"), out)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for i := range 3 {
		fmt.Fprintf(in, "message %d\n", i)
		if got, err := lines.ReadString('\n'); got != fmt.Sprintf("echo message %d\n", i) {
			t.Fatalf("the answer to message %d is %q, %v", i, got, err)
		}
	}
	in.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("after the messages %q, %v", rest, err)
	}
	if got := response.Trailer.Get("Grpc-Status") + response.Trailer.Get("Grpc-Message"); got != "0fine" {
		t.Errorf("trailers %v, want Grpc-Status 0 and Grpc-Message", response.Trailer)
	}
}

// RFC 8297: hints are there before the origin has made the answer, on a miss,
// on a pass and for every method that waits.
func TestEarlyHints(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			hinted := make(chan struct{})
			origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Del("Link")
				select {
				case <-hinted:
				case <-time.After(patience):
				}
				w.Header().Set("Cache-Control", "max-age=600")
				fmt.Fprint(w, "hello")
			})
			s := startSite(t, origin.addr, siteConfig{})
			trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				if code != http.StatusEarlyHints || header.Get("Link") != "</style.css>; rel=preload" {
					t.Errorf("interim response %d %v", code, header)
				}
				close(hinted)
				return nil
			}}
			r := s.request("/a")
			r.Method = method
			response, err := s.client.Do(r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if string(body) != "hello" || err != nil {
				t.Errorf("body %q, %v", body, err)
			}
			if link := response.Header.Get("Link"); link != "" {
				t.Errorf("the final answer has the hint's Link: %s", link)
			}
			select {
			case <-hinted:
			default:
				t.Error("no hint arrived before the answer")
			}
		})
	}
}

// RFC 9110 §15.2: HTTP/1.0 knows no informational responses, so a client of that
// version would take one for the answer.
func TestHintsAreForHTTP11(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, "hello")
	})
	s := startSite(t, origin.addr, siteConfig{})
	for request, want := range map[string]string{
		"GET /a HTTP/1.0\r\nHost: site.test\r\n\r\n":                        "200 hello",
		"POST /a HTTP/1.0\r\nHost: site.test\r\nContent-Length: 1\r\n\r\nx": "200 hello",
		"GET /b HTTP/1.1\r\nHost: site.test\r\n\r\n":                        "103 ",
		"POST /b HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1\r\n\r\nx": "103 ",
	} {
		if got := s.speak(request); got != want {
			t.Errorf("%q: got %q, want %q", request, got, want)
		}
	}
}

// A request body is sent on while it arrives, and an answer may come before its end.
func TestUploadIsNotBuffered(t *testing.T) {
	first := make(chan string, 1)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, buf)
		first <- string(buf)
		rest, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s%s", buf, rest)
	})
	s := startSite(t, origin.addr, siteConfig{})
	out, in := io.Pipe()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url("/upload"), out)
	e := send(s.client, r)
	fmt.Fprint(in, "first")
	select {
	case got := <-first:
		if got != "first" {
			t.Errorf("the origin got %q", got)
		}
	case <-time.After(patience):
		t.Fatal("the upload is held back")
	}
	fmt.Fprint(in, strings.Repeat(" and more", 1000))
	in.Close()
	s.wait(e, "the end", func() bool { return e.done })
	if want := "first" + strings.Repeat(" and more", 1000); string(e.body) != want {
		t.Errorf("%d bytes came back, want %d", len(e.body), len(want))
	}
}
