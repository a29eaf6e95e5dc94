package examples_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// application is one small application, written once as CGI for Apache and
// once in PHP, behind a site. Each program appends a line to its trace when it
// begins, so that the tests know how often it ran.
//
//	slow     waits for the gate, then max-age=60
//	page     max-age=60, or what ?age= says; ETag "v1", and 304 for that
//	login    a new cookie for every visitor, carelessly with max-age=60
//	session  counts the visits of one visitor, by a cookie
//	upload   what arrived of a multipart POST
type application struct {
	*site
	origin *server
	path   func(program string) string
	// received is what upload must answer to a form.
	received func(form, file []byte) string
}

// pageBody is what page sends.
var pageBody = strings.Repeat("0123456789", 1000)

// check runs what must be true of every application.
func (a *application) check(t *testing.T) {
	t.Run("cached", a.cached)
	t.Run("collapsed", a.collapsed)
	t.Run("revalidated on request", a.revalidatedOnRequest)
	t.Run("revalidated after expiry", a.revalidatedAfterExpiry)
	t.Run("invalidated by POST", a.invalidated)
	t.Run("Set-Cookie is not shared", a.cookiesAreNotShared)
	t.Run("sessions", a.sessions)
	t.Run("uploads", a.uploads)
	t.Run("conditional", a.conditional)
	t.Run("ranges", a.ranges)
	t.Run("HEAD", a.head)
}

// RFC 9111 §4: a fresh stored response answers without the origin.
func (a *application) cached(t *testing.T) {
	path := a.path("page") + "?cached"
	before := a.origin.count("page")
	first, second := a.get(path), a.get(path)
	first.want(t, 200, pageBody)
	second.want(t, 200, pageBody)
	if first.hit(t) || !second.hit(t) {
		t.Errorf("hits = %t, %t; want false, true", first.hit(t), second.hit(t))
	}
	if first.Header.Get("Age") != "" || second.Header.Get("Age") == "" {
		t.Errorf("Age = %q, %q; want none from the origin and some from the cache (RFC 9111 §5.1)",
			first.Header.Get("Age"), second.Header.Get("Age"))
	}
	if n := a.origin.count("page") - before; n != 1 {
		t.Errorf("the origin saw %d requests, want 1", n)
	}
	fields := originFields(second)
	if first.Header.Get("Content-Length") == "" {
		fields.Del("Content-Length") // known by now (RFC 9110 §8.6)
	}
	if diff := cmp.Diff(originFields(first), fields); diff != "" {
		t.Errorf("the origin's fields changed (-first +second):\n%s", diff)
	}
}

// originFields are the fields of an answer that are the origin's.
func originFields(r reply) http.Header {
	h := r.Header.Clone()
	for _, name := range []string{"Age", "Cache-Status", "Connection", "Date", "Keep-Alive", "Via"} {
		h.Del(name)
	}
	return h
}

// RFC 9111 §4: concurrent requests are collapsed into one. The origin answers
// none of them before all are under way.
func (a *application) collapsed(t *testing.T) {
	const clients = 20
	var sent, done sync.WaitGroup
	replies := make([]reply, clients)
	errs := make([]error, clients)
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Done() }}
	for i := range clients {
		sent.Add(1)
		done.Go(func() {
			ctx := httptrace.WithClientTrace(t.Context(), trace)
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, a.base+a.path("slow"), nil)
			replies[i], errs[i] = fetch(a.client, req)
		})
	}
	sent.Wait()
	eventually(t, "the origin to begin", func() bool { return a.origin.count("slow") > 0 })
	a.origin.openGate()
	done.Wait()
	for i, r := range replies {
		if errs[i] != nil {
			t.Errorf("client %d: %v", i, errs[i])
			continue
		}
		r.want(t, 200, "slow\n")
	}
	if n := a.origin.count("slow"); n != 1 {
		t.Errorf("the origin saw %d requests of %d, want 1", n, clients)
	}
}

// RFC 9111 §5.2.1.4: no-cache in a request asks for a validation.
func (a *application) revalidatedOnRequest(t *testing.T) {
	path := a.path("page") + "?validated"
	a.get(path).want(t, 200, pageBody)
	r := a.get(path, "Cache-Control: no-cache")
	r.want(t, 200, pageBody)
	if r.hit(t) {
		t.Error("the answer is a hit, without asking the origin")
	}
	if status, _ := r.cacheStatus(t).Get("fwd-status"); status != int64(304) {
		t.Errorf("fwd-status = %v, want 304 (%s)", status, r.Header.Get("Cache-Status"))
	}
	if !strings.HasSuffix(a.origin.trace("page"), "\"v1\"\n") {
		t.Errorf("the origin was not asked with If-None-Match: %q", a.origin.trace("page"))
	}
}

// RFC 9111 §4.3: what has expired is validated before it is used.
func (a *application) revalidatedAfterExpiry(t *testing.T) {
	path := a.path("page") + "?age=2"
	a.get(path).want(t, 200, pageBody)
	eventually(t, "the page to expire", func() bool {
		r := a.get(path)
		r.want(t, 200, pageBody)
		if r.forwarded(t) == "" {
			return false
		}
		if status, _ := r.cacheStatus(t).Get("fwd-status"); r.forwarded(t) != "stale" || status != int64(304) {
			t.Errorf("Cache-Status = %s, want fwd=stale; fwd-status=304", r.Header.Get("Cache-Status"))
		}
		return true
	})
	if r := a.get(path); !r.hit(t) {
		t.Errorf("after the validation: %s, want a hit", r.Header.Get("Cache-Status"))
	}
}

// RFC 9111 §4.4: a successful POST invalidates what is stored of its URI.
func (a *application) invalidated(t *testing.T) {
	path := a.path("page") + "?posted"
	a.get(path)
	if !a.get(path).hit(t) {
		t.Error("not stored before the POST")
	}
	a.do(http.MethodPost, path, []byte("x=1"), "Content-Type: application/x-www-form-urlencoded").want(t, 200, "posted\n")
	if a.get(path).hit(t) {
		t.Error("still a hit after the POST")
	}
}

// A page that sets a cookie is not for the next visitor, even if its author
// was careless enough to give it a lifetime.
func (a *application) cookiesAreNotShared(t *testing.T) {
	seen := make(map[string]bool)
	for range 3 {
		r := a.get(a.path("login"))
		if want := "visit=" + strings.TrimSpace(string(r.Body)); !strings.HasPrefix(r.Header.Get("Set-Cookie"), want) {
			t.Errorf("Set-Cookie = %q, want %s", r.Header.Get("Set-Cookie"), want)
		}
		if r.hit(t) || seen[string(r.Body)] {
			t.Errorf("a second visitor got the cookie of the first: %s", r.Header.Get("Cache-Status"))
		}
		seen[string(r.Body)] = true
	}
}

// Two visitors, each with a session that counts.
func (a *application) sessions(t *testing.T) {
	var ids [2]string
	var visitors [2]*http.Client
	for i := range visitors {
		jar, _ := cookiejar.New(nil)
		visitors[i] = &http.Client{Transport: a.client.Transport, Jar: jar}
	}
	for visit := 1; visit <= 3; visit++ {
		for i, v := range visitors {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, a.base+a.path("session"), nil)
			r := a.send(v, req)
			id, count, _ := strings.Cut(strings.TrimSpace(string(r.Body)), " ")
			if r.Status != 200 || count != fmt.Sprint(visit) || r.hit(t) {
				t.Errorf("visit %d of visitor %d: %d %q (%s)", visit, i, r.Status, r.Body, r.Header.Get("Cache-Status"))
			}
			if ids[i] != "" && ids[i] != id {
				t.Errorf("visitor %d was %s and is now %s", i, ids[i], id)
			}
			ids[i] = id
		}
	}
	if ids[0] == ids[1] {
		t.Errorf("both visitors have the session %s", ids[0])
	}
}

// A form with a file of several MB arrives byte for byte.
func (a *application) uploads(t *testing.T) {
	file := make([]byte, 5<<20)
	_, _ = rand.Read(file) // never fails
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("title", "holiday"); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile("file", "beach.jpg")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(file) // into memory
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := a.do(http.MethodPost, a.path("upload"), form.Bytes(), "Content-Type: "+w.FormDataContentType())
	r.want(t, 200, a.received(form.Bytes(), file))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// RFC 9110 §14: parts of a stored page, which the programs themselves cannot
// send.
func (a *application) ranges(t *testing.T) {
	path := a.path("page") + "?ranges"
	a.get(path)
	tests := []struct {
		name, fields string
		status       int
		contentRange string
		body         string
	}{
		{"9110-14.1.2 first bytes", "Range: bytes=0-9", 206, "bytes 0-9/10000", pageBody[:10]},
		{"9110-14.1.2 from an offset", "Range: bytes=9990-", 206, "bytes 9990-9999/10000", pageBody[9990:]},
		{"9110-14.1.2 suffix", "Range: bytes=-5", 206, "bytes 9995-9999/10000", pageBody[9995:]},
		{"9110-13.1.5 If-Range matches", "Range: bytes=5-6\nIf-Range: \"v1\"", 206, "bytes 5-6/10000", "56"},
		{"9110-13.1.5 If-Range does not match", "Range: bytes=5-6\nIf-Range: \"v0\"", 200, "", pageBody},
	}
	for _, tt := range tests {
		r := a.get(path, strings.Split(tt.fields, "\n")...)
		r.want(t, tt.status, tt.body)
		if got := r.Header.Get("Content-Range"); got != tt.contentRange || !r.hit(t) {
			t.Errorf("%s: Content-Range = %q (%s), want %q from the cache", tt.name, got, r.Header.Get("Cache-Status"), tt.contentRange)
		}
	}
	if r := a.get(path, "Range: bytes=10000-"); r.Status != http.StatusRequestedRangeNotSatisfiable || r.Header.Get("Content-Range") != "bytes */10000" {
		t.Errorf("beyond the end: %d, Content-Range = %q; want 416, bytes */10000", r.Status, r.Header.Get("Content-Range"))
	}
}

// RFC 9110 §9.3.2: HEAD is GET without content, and a stored GET answers it.
func (a *application) head(t *testing.T) {
	path := a.path("page") + "?head"
	cold := a.do(http.MethodHead, path, nil)
	cold.want(t, 200, "")
	got := a.get(path)
	got.want(t, 200, pageBody)
	warm := a.do(http.MethodHead, path, nil)
	warm.want(t, 200, "")
	if !warm.hit(t) {
		t.Errorf("HEAD after GET: %s, want a hit", warm.Header.Get("Cache-Status"))
	}
	if diff := cmp.Diff(originFields(a.get(path)), originFields(warm)); diff != "" {
		t.Errorf("fields of HEAD differ from those of GET (-GET +HEAD):\n%s", diff)
	}
}

// conditional is a request of a browser that has the page already (RFC 9110
// §13.1.2).
func (a *application) conditional(t *testing.T) {
	path := a.path("page") + "?conditional"
	a.get(path)
	r := a.get(path, `If-None-Match: W/"v1"`)
	if r.want(t, http.StatusNotModified, ""); !r.hit(t) {
		t.Errorf("%s, want a hit", r.Header.Get("Cache-Status"))
	}
}
