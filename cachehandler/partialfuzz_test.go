package cachehandler

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// FuzzParts sends random requests for parts and for the whole through the cache to
// an origin that is http.ServeContent, and holds a map of single bytes against
// it: every answer is right, no range makes the origin send a byte that was not
// asked for, and with a strong validator nothing that is stored is asked for
// again, but for what the documents say.
func FuzzParts(f *testing.F) {
	f.Add(uint8(0), []byte{1, 0, 4, 1, 6, 2, 1, 4, 2, 1, 1, 6, 0, 0, 0})    // touching parts, a hit, the whole
	f.Add(uint8(0), []byte{1, 3, 9, 0, 0, 0, 0, 0, 0, 2, 3, 0})             // the middle, then the whole
	f.Add(uint8(1), []byte{1, 0, 9, 4, 0, 0, 1, 5, 9, 0, 0, 0, 3, 7, 0})    // another version
	f.Add(uint8(2), []byte{1, 0, 9, 1, 5, 9, 0, 0, 0, 1, 2, 3, 5, 1, 9})    // weak: nothing is put together
	f.Add(uint8(3), []byte{2, 4, 0, 1, 0, 3, 6, 0, 0, 0, 0, 0, 5, 3, 20})   // by date, invalidated, several ranges
	f.Add(uint8(0), []byte{7, 2, 9, 1, 2, 3, 1, 0, 8, 8, 0, 0, 1, 0, 4, 0}) // broken off, stale
	// Parts of two versions that touch, and what would be both of them.
	for validator := range uint8(4) {
		f.Add(validator, []byte{1, 0, 4, 4, 0, 0, 1, 5, 4, 1, 0, 9, 0, 0, 0})
		f.Add(validator, []byte{1, 5, 4, 4, 0, 0, 1, 0, 4, 3, 2, 0, 1, 0, 9})
	}
	f.Fuzz(func(t *testing.T, validator uint8, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := &partSession{t: t, h: newHandler(t), validator: validator % 4}
			s.change()
			for ops := 0; len(script) >= 3 && ops < 60; ops++ {
				s.step(script[0]%9, int(script[1]), int(script[2]))
				script = script[3:]
				synctest.Wait() // until what was fetched is settled
			}
		})
	})
}

// partLength is so short that no more than maxParts parts are apart.
const partLength = 30

type partSession struct {
	t         *testing.T
	h         *Handler
	validator uint8 // strong, none, weak, date
	version   int
	age       int  // of the origin's answers
	breaks    bool // the origin breaks its next answer off

	asked   []span // what the origin was asked to send by the last request
	several bool   // among it several ranges at once
	twin    [partLength]bool
	twinOf  int // the version the twin has bytes of
}

type span struct{ from, to int } // to is not in it

func content(version int) []byte {
	p := make([]byte, partLength)
	for i := range p {
		p[i] = byte('a' + (i*7+version*11)%26)
	}
	return p
}

func (s *partSession) change() { s.version++ }

func (s *partSession) step(op byte, a, b int) {
	switch op {
	case 0:
		s.get("", span{0, partLength})
	case 1, 7:
		s.breaks = op == 7
		from := a % partLength
		to := min(from+1+b%12, partLength)
		s.get(fmt.Sprintf("bytes=%d-%d", from, to-1), span{from, to})
		s.breaks = false
	case 2:
		n := 1 + a%partLength
		s.get(fmt.Sprintf("bytes=-%d", n), span{partLength - n, partLength})
	case 3:
		from := a % partLength
		s.get(fmt.Sprintf("bytes=%d-", from), span{from, partLength})
	case 4:
		s.change()
	case 5:
		s.getSeveral(a%10, 12+b%10)
	case 6:
		w := httptest.NewRecorder()
		_ = s.h.ServeHTTP(w, prepare(httptest.NewRequest(http.MethodPost, "http://a/x", nil)), answer("done"))
		s.twin = [partLength]bool{}
	case 8:
		s.age = 700 - s.age // stale from now on, or fresh again
		time.Sleep(2 * time.Second)
	}
}

// origin answers with the current version.
func (s *partSession) origin() caddyhttp.Handler {
	return handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		answer := httptest.NewRecorder()
		h := answer.Header()
		h.Set("Cache-Control", "max-age=600")
		h.Set("Age", fmt.Sprint(s.age))
		h.Set("X-Version", fmt.Sprint(s.version))
		modified := time.Time{}
		switch s.validator {
		case 0:
			h.Set("ETag", fmt.Sprintf(`"%d"`, s.version))
		case 2:
			h.Set("ETag", fmt.Sprintf(`W/"%d"`, s.version))
		case 3:
			modified = time.Now().Add(-24 * time.Hour).Truncate(24 * time.Hour).Add(time.Duration(s.version) * time.Second)
		}
		http.ServeContent(answer, r, "x.txt", modified, bytes.NewReader(content(s.version)))
		setHeader(w.Header(), h)
		s.note(answer)
		w.WriteHeader(answer.Code)
		body := answer.Body.Bytes()
		if s.breaks && answer.Code/100 == 2 {
			_, _ = w.Write(body[:len(body)/2])
			panic(http.ErrAbortHandler)
		}
		_, err := w.Write(body)
		return err
	})
}

func (s *partSession) note(answer *httptest.ResponseRecorder) {
	switch answer.Code {
	case http.StatusOK:
		s.asked = append(s.asked, span{0, partLength})
	case http.StatusPartialContent:
		if r, ok := spanOf(answer.Header()); ok {
			s.asked = append(s.asked, r)
		} else {
			s.several = true
		}
	}
}

func spanOf(h http.Header) (span, bool) {
	var from, last, length int
	_, err := fmt.Sscanf(h.Get("Content-Range"), "bytes %d-%d/%d", &from, &last, &length)
	return span{from, last + 1}, err == nil
}

func (s *partSession) get(field string, want span) {
	s.t.Helper()
	expected, certain := s.expect(want)
	w, broken := s.send(field)
	if broken {
		if !s.breaks {
			s.t.Errorf("%q: broken off", field)
		}
		return // and nothing of it is stored
	}
	s.checkAnswer(w, want, field)
	s.checkAsked(field, want)
	if s.validator == 0 && certain && s.age < 600 && !s.breaks && s.twinOf == s.version && !fmtEqual(s.asked, expected) {
		s.t.Errorf("%q: the origin was asked for %v, want %v; stored was %v", field, s.asked, expected, s.twin)
	}
	s.learn(field != "" && w.Code == http.StatusOK)
}

func fmtEqual(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func (s *partSession) send(field string) (w *httptest.ResponseRecorder, broken bool) {
	s.asked, s.several = nil, false
	r := get("http://a/x")
	if field != "" {
		r.Header.Set("Range", field)
	}
	w = httptest.NewRecorder()
	defer func() { broken = recover() != nil }()
	if err := s.h.ServeHTTP(w, r, s.origin()); err != nil {
		s.t.Errorf("%q: %v", field, err)
	}
	return w, false
}

// checkAnswer: the bytes are those of one version, at the positions that the
// answer says.
func (s *partSession) checkAnswer(w *httptest.ResponseRecorder, want span, field string) {
	s.t.Helper()
	var version int
	_, _ = fmt.Sscan(w.Header().Get("X-Version"), &version)
	got := span{0, partLength}
	switch {
	case w.Code == http.StatusPartialContent && field != "":
		got, _ = spanOf(w.Header())
	case w.Code != http.StatusOK:
		s.t.Errorf("%q: status %d", field, w.Code)
		return
	}
	if got != want && !(w.Code == http.StatusOK && s.twinOf != s.version) {
		s.t.Errorf("%q: got %v, want %v", field, got, want)
	}
	if body := w.Body.String(); body != string(content(version)[got.from:got.to]) {
		s.t.Errorf("%q: %q is not %v of version %d", field, body, got, version)
	}
	if w.Header().Get("Content-Length") != fmt.Sprint(got.to-got.from) {
		s.t.Errorf("%q: Content-Length is %s", field, w.Header().Get("Content-Length"))
	}
}

// checkAsked: a range never has more fetched than it asks for, but from an
// origin that has another version to give.
func (s *partSession) checkAsked(field string, want span) {
	s.t.Helper()
	for _, r := range s.asked {
		if (r.from < want.from || r.to > want.to) && s.twinOf == s.version {
			s.t.Errorf("%q: the origin was asked for %v", field, r)
		}
	}
}

// expect is what the origin is to be asked for, byte by byte: nothing, or what
// is missing at one end, or all. It is not certain which end, if both are as far.
func (s *partSession) expect(want span) (asked []span, certain bool) {
	head, tail := want.from, want.to
	for head < want.to && s.twin[head] {
		head++
	}
	for tail > want.from && s.twin[tail-1] {
		tail--
	}
	rest, first := span{head, want.to}, span{want.from, tail}
	switch {
	case head == want.to:
		return nil, true
	case head == want.from && tail == want.to:
		return []span{want}, true
	case tail == want.to, head > want.from && rest.to-rest.from < first.to-first.from:
		return []span{rest}, true
	}
	return []span{first}, head == want.from || rest.to-rest.from > first.to-first.from
}

// learn is what the store has after an answer. One that is more than was asked
// for, because the version is another, is not stored.
func (s *partSession) learn(passed bool) {
	if len(s.asked) == 0 || s.several {
		return
	}
	if s.twinOf != s.version {
		s.twin, s.twinOf = [partLength]bool{}, s.version
	}
	if passed {
		return
	}
	for _, r := range s.asked {
		for i := r.from; i < r.to; i++ {
			s.twin[i] = true
		}
	}
}

func (s *partSession) getSeveral(a, b int) {
	field := fmt.Sprintf("bytes=%d-%d,%d-%d", a, a+1, b, b+2)
	w, _ := s.send(field)
	_, params, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if w.Code != http.StatusPartialContent || err != nil {
		s.t.Errorf("%q: status %d, %v", field, w.Code, err)
		return
	}
	var version int
	_, _ = fmt.Sscan(w.Header().Get("X-Version"), &version)
	parts := multipart.NewReader(strings.NewReader(w.Body.String()), params["boundary"])
	for _, want := range []span{{a, a + 2}, {b, b + 3}} {
		part, err := parts.NextPart()
		if err != nil {
			s.t.Errorf("%q: %v", field, err)
			return
		}
		got, _ := spanOf(http.Header(part.Header))
		body, _ := io.ReadAll(part)
		if got != want || string(body) != string(content(version)[want.from:want.to]) {
			s.t.Errorf("%q: %v %q, want %v of version %d", field, got, body, want, version)
		}
	}
}
