package cachehandler

import (
	"bytes"
	"io"
	"net/http"
)

// hasContent reports whether a request brings content. HTTP/2 and HTTP/3 may
// announce none only by the end of the stream, which then has to be waited for
// (RFC 9113 §8.1, RFC 9114 §4.1); a first byte that comes instead
// is put back.
func hasContent(r *http.Request) bool {
	if r.ContentLength >= 0 || r.ProtoMajor < 2 || r.Body == nil {
		return r.ContentLength != 0
	}
	var first [1]byte
	n, err := io.ReadFull(r.Body, first[:])
	if n == 0 && err == io.EOF {
		r.ContentLength = 0
		return false
	}
	r.Body = &putBack{Reader: io.MultiReader(bytes.NewReader(first[:n]), r.Body), Closer: r.Body}
	return true
}

type putBack struct {
	io.Reader
	io.Closer
}
