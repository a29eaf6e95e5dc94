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
func (l Limits) Stream(r *http.Request) io.ReadCloser {
	if r.Body == nil || r.Body == http.NoBody || endless(r) {
		return r.Body
	}
	b := &body{ReadCloser: r.Body, left: -1}
	if l.Body > 0 && r.ContentLength < 0 { // else Head has judged it, and net/http holds it
		b.left = l.Body
	}
	switch media(r.Header.Get("Content-Type")) {
	case form:
		if l.Args > 0 {
			b.args = l.Args
		}
	case json:
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
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left >= 0 && int64(len(p)) > b.left+1 { // one more byte tells that it is too long
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if e := b.check(p[:n]); e != None {
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
