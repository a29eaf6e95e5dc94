package limits

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// Stream returns the request's body with the limits on it, or the body itself where
// none applies. A read that exceeds a limit returns *Error, and so does every one
// after it; nothing beyond the limit has been handed on by then.
func (l Limits) Stream(r *http.Request) io.ReadCloser { return l.stream(r, nil) }

// Watch is Stream for who only wants to know: all of the body is handed on, and
// found is called with the first excess, by the goroutine that reads.
func (l Limits) Watch(r *http.Request, found func(Excess)) io.ReadCloser { return l.stream(r, found) }

// Parsed reports whether what a request carries is by its type a text that an
// origin parses as a whole: a form (but not one with files) or JSON.
func Parsed(r *http.Request) bool { return media(r.Header.Get("Content-Type")) != other }

// encoded reports whether the bytes of a body are not those of its media type:
// what is compressed has brackets and ampersands by chance.
func encoded(r *http.Request) bool {
	for _, coding := range r.Header["Content-Encoding"] {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			return true
		}
	}
	return false
}

func (l Limits) stream(r *http.Request, found func(Excess)) io.ReadCloser {
	if r.Body == nil || r.Body == http.NoBody || endless(r) {
		return r.Body
	}
	b := &body{ReadCloser: r.Body, left: -1, found: found}
	if l.Body > 0 && r.ContentLength < 0 { // else Head has judged it, and net/http holds it
		b.left = l.Body
	}
	switch kind := media(r.Header.Get("Content-Type")); {
	case encoded(r):
	case kind == form:
		if l.Args > 0 {
			b.args = l.Args
		}
	case kind == json:
		if l.JSONDepth > 0 {
			b.json = &JSON{Max: l.JSONDepth}
		}
	}
	if b.left < 0 && b.args == 0 && b.json == nil {
		return r.Body
	}
	return b
}

type kind uint8

const (
	other kind = iota
	form
	json
)

// media says what a body is to be parsed as. The type is taken as loosely as the
// most lenient origin takes it.
func media(contentType string) kind {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	switch {
	case t == "application/x-www-form-urlencoded":
		return form
	case t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json"):
		return json
	}
	return other
}

type body struct {
	io.ReadCloser
	left      int64 // bytes it may still have; -1: any number
	args      int   // arguments it may have; 0: any number
	ampersand int   // separators seen
	json      *JSON
	err       error
	found     func(Excess) // told of an excess instead of the reader
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left >= 0 && b.found == nil && int64(len(p)) > b.left+1 { // one more byte tells that it is too long
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	e := b.check(p[:n])
	switch {
	case e == None:
	case b.found != nil:
		b.found(e)
		b.left, b.args, b.json = -1, 0, nil
	default:
		b.err = &Error{e}
		return 0, b.err
	}
	return n, err
}

func (b *body) check(p []byte) Excess {
	if b.left >= 0 {
		if int64(len(p)) > b.left {
			return Body
		}
		b.left -= int64(len(p))
	}
	if b.args > 0 {
		if b.ampersand += bytes.Count(p, []byte{'&'}); b.ampersand >= b.args {
			return Args
		}
	}
	if b.json != nil && !b.json.Scan(p) {
		return JSONDepth
	}
	return None
}
