package origin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func get(t *testing.T, url string, header ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestPages(t *testing.T) {
	o := New(t)
	for _, tt := range []struct {
		name, path string
		header     []string
		status     int
		want       string // fields, as "Name: value|…"
		body       string
	}{
		{"sized body", "/bytes?n=1KiB&cc=max-age=60", nil, 200, "Content-Length: 1024|Cache-Control: max-age=60", string(Bytes(1024, 0))},
		{"any path, another seed", "/some/thing?n=9&seed=3", nil, 200, "Content-Length: 9", string(Bytes(9, 3))},
		{"text and fields", "/t?body=hi&h=X-A:+b&vary=Accept&cookie=a=b&type=text/x", nil, 200, "X-A: b|Vary: Accept|Set-Cookie: a=b|Content-Type: text/x", "hi"},
		{"status", "/t?status=503&body=no", nil, 503, "", "no"},
		{"suppressed Date", "/t?h=-Date", nil, 200, "Date: ", ""},
		{"chunked", "/t?n=5&length=off", nil, 200, "Content-Length: ", string(Bytes(5, 0))},
		{"echo", "/t?echo=X-In", []string{"X-In", "1"}, 200, "", "X-In: 1\n"},
		{"9110-13.1.2 matching entity-tag", "/t?n=5&etag=v1", []string{"If-None-Match", `"v0", W/"v1"`}, 304, `Etag: "v1"`, ""},
		{"9110-13.1.2 other entity-tag", "/t?n=5&etag=v2", []string{"If-None-Match", `"v1"`}, 200, `Etag: "v2"`, string(Bytes(5, 0))},
		{"9110-13.1.3 date", "/t?n=5&lm=Mon,+01+Jan+2024+00:00:00+GMT", []string{"If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"}, 304, "", ""},
		{"never 304", "/t?n=5&etag=v1&cond=off", []string{"If-None-Match", `"v1"`}, 200, "", string(Bytes(5, 0))},
		{"9110-14.2 Range", "/file/x?n=1MiB&etag=v", []string{"Range", "bytes=65520-65523"}, 206, "Content-Range: bytes 65520-65523/1048576", string(Bytes(70000, 0)[65520:65524])},
		{"9110-13.1.5 If-Range of another version", "/file/x?n=9&etag=v", []string{"Range", "bytes=1-2", "If-Range", `"w"`}, 200, "", string(Bytes(9, 0))},
		{"events", "/sse?events=2", nil, 200, "Content-Type: text/event-stream", "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n"},
		{"bad value", "/t?n=x", nil, 400, "", "origin: n=x: strconv.ParseInt: parsing \"x\": invalid syntax\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, err := get(t, o.URL+tt.path, tt.header...)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %.80q, want %d %.80q", resp.StatusCode, body, tt.status, tt.body)
			}
			for field := range strings.SplitSeq(tt.want, "|") {
				name, want, _ := strings.Cut(field, ": ")
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestScriptsFollowEachOtherAndAreRecorded(t *testing.T) {
	o := New(t)
	o.Keep = 2
	o.Script("/a", "body=first&serial=1", "status=404&body=second")
	var got []string
	for i := range 3 {
		resp, body, err := get(t, o.URL+"/a?ignored", "X-N", fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.Status+body+resp.Header.Get("Origin-Serial"))
	}
	if want := "[200 OKfirst1 404 Not Foundsecond 404 Not Foundsecond]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	<-o.Seen("/a", 3)
	requests := o.Requests("/a")
	if o.Count("/a") != 3 || len(requests) != 2 || requests[1].Header.Get("X-N") != "1" || requests[1].Serial != 2 {
		t.Errorf("count %d, requests %+v", o.Count("/a"), requests)
	}
	defer func() {
		if recover() == nil {
			t.Error("a misspelt option was accepted")
		}
	}()
	o.Script("/a", "max-age=9")
}

func TestRequestBody(t *testing.T) {
	o := New(t)
	resp, err := http.Post(o.URL+"/up", "text/plain", Body(100000, 0))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r := o.Requests("/up")[0]
	if r.Length != 100000 || string(r.Body) != string(Bytes(bodyKept, 0)) {
		t.Errorf("length %d, kept %d", r.Length, len(r.Body))
	}
}

func TestHoldAfterHeaderAndOneChunk(t *testing.T) {
	o := New(t)
	o.Script("/h", "n=100&hold=head@0&hold=more@10")
	o.Gate("head").Pass(1)
	resp, err := http.Get(o.URL + "/h")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-o.Gate("more").Arrived(1)
	part := make([]byte, 10)
	if _, err := io.ReadFull(resp.Body, part); err != nil || o.Gate("more").Waiting() != 1 {
		t.Fatalf("%v, %d waiting", err, o.Gate("more").Waiting())
	}
	o.Gate("more").Open()
	rest, err := io.ReadAll(resp.Body)
	if got := string(part) + string(rest); got != string(Bytes(100, 0)) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAbortLeavesAnIncompleteBody(t *testing.T) {
	o := New(t)
	for _, length := range []string{"", "&length=off"} {
		_, body, err := get(t, o.URL+"/x?n=100000&abort=70000"+length)
		if !errors.Is(err, io.ErrUnexpectedEOF) || body != string(Bytes(70000, 0)) {
			t.Errorf("%d bytes, %v", len(body), err)
		}
	}
}

func TestCloseEndsHeldAnswersAndStartBringsItBack(t *testing.T) {
	o := New(t)
	failed := make(chan error)
	go func() {
		_, _, err := get(t, o.URL+"/x?gate=never")
		failed <- err
	}()
	<-o.Gate("never").Arrived(1)
	o.Close()
	if err := <-failed; err == nil {
		t.Error("a held answer survived Close")
	}
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	if _, body, err := get(t, o.URL+"/x?body=back"); body != "back" {
		t.Error(body, err)
	}
}

func TestDelaysAreFakeTimeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewHandler()
		start := time.Now()
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/x?n=200000&delay=1h&chunk=100000&every=1m", nil)
		o.ServeHTTP(w, r)
		if took := time.Since(start); took != time.Hour+time.Minute {
			t.Errorf("took %v", took)
		}
		if n, err := Verify(w.Body, 0); n != 200000 || err != nil {
			t.Errorf("body: %d, %v", n, err)
		}
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		var through sync.Map
		for i := range 4 {
			go func() {
				if g.wait(t.Context()) == nil {
					through.Store(i, true)
				}
			}()
			synctest.Wait()
		}
		passed := func() string {
			synctest.Wait()
			s := ""
			for i := range 5 {
				if _, ok := through.Load(i); ok {
					s += fmt.Sprint(i)
				}
			}
			return s
		}
		<-g.Arrived(4)
		if got := passed(); got != "" {
			t.Errorf("before Pass: %q", got)
		}
		g.Pass(2)
		if got := passed(); got != "01" {
			t.Errorf("after Pass(2): %q", got)
		}
		g.Open()
		if got := passed(); got != "0123" {
			t.Errorf("after Open: %q", got)
		}
	})
}

func TestEarlyHintsAndTrailers(t *testing.T) {
	o := New(t)
	var hints []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, h.Get("Link")))
		return nil
	}}
	r, _ := http.NewRequest("GET", o.URL+"/x?n=5&early=</a>&early=</b>&trailer=Grpc-Status:0", nil)
	resp, err := http.DefaultClient.Do(r.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil || resp.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("trailer %v, %v", resp.Trailer, err)
	}
	if got := fmt.Sprint(hints); got != "[103</a> 103</b>]" && got != "[103 </a> 103 </b>]" {
		t.Errorf("hints %v", got)
	}
	if link := resp.Header.Get("Link"); link != "" {
		t.Errorf("the final answer has Link: %s", link)
	}
}

func TestWebSocketEcho(t *testing.T) {
	o := New(t)
	conn, err := net.Dial("tcp", o.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The key and the accept of RFC 6455 §1.3, the frames of its §5.7.
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: o\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%v, %v", resp, err)
	}
	for _, tt := range []struct{ send, want string }{
		{"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "\x81\x05Hello"},
		{"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "\x8a\x05Hello"},
		{"\x82\xfe\x01\x00\x00\x00\x00\x00" + strings.Repeat("y", 256), "\x82\x7e\x01\x00" + strings.Repeat("y", 256)},
		{"\x88\x80\x00\x00\x00\x00", "\x88\x00"},
	} {
		io.WriteString(conn, tt.send)
		got := make([]byte, len(tt.want))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != tt.want {
			t.Errorf("%q echoed as %q, %v", tt.send, got, err)
		}
	}
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("after close: %v", err)
	}
}

func TestDefectsOnTheWire(t *testing.T) {
	o := New(t)
	for _, name := range Defects() {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", o.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET /raw?defect=%s&n=8&cc=max-age=60 HTTP/1.1\r\nHost: o\r\n\r\n", name)
			got, err := io.ReadAll(conn)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(defects[name], "%FIELDS%") && !strings.Contains(string(got), "Cache-Control: max-age=60\r\n") {
				t.Errorf("fields missing: %.200q", got)
			}
			if strings.Contains(string(got), "%") {
				t.Errorf("unreplaced: %.200q", got)
			}
		})
	}
}

func TestGigabyteWithoutMemory(t *testing.T) {
	o := New(t)
	if testing.Short() {
		t.Skip("moves 1 GiB over the loopback")
	}
	resp, err := http.Get(o.URL + "/bytes?n=1GiB")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != 1<<30 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestVerifyFindsAWrongByte(t *testing.T) {
	wrong := Bytes(200000, 1)
	wrong[150000] = '!'
	if n, err := Verify(strings.NewReader(string(wrong)), 1); err == nil || n > 150000 {
		t.Errorf("%d, %v", n, err)
	}
}
