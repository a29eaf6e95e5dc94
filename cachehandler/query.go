package cachehandler

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is QUERY (RFC 10008): a safe and idempotent request with content. Its
// answers are stored and reused like those to GET, but only for later QUERYs. The
// content and what describes it are part of the key (§2.7), so the content is
// read, up to a bound, before the look-up; the origin then gets it from memory.
// Nothing is normalised: two requests are the same if they are so byte for byte.

const methodQuery = "QUERY"

const defaultMaxContent = 64 << 10

// QueryMethodOptions is what becomes of requests with the method QUERY (RFC
// 10008).
type QueryMethodOptions struct {
	// Turns it off: QUERY is passed like POST, but invalidates nothing.
	Off bool `json:"off,omitempty"`

	// The longest content that is read in order to make it part of the key, in
	// bytes. A request with more is passed. Default: 65536 (64 KiB).
	MaxContent int64 `json:"max_content,omitempty"`
}

func (o *QueryMethodOptions) validate() error {
	switch {
	case o == nil:
		return nil
	case o.MaxContent < 0:
		return errors.New("max_content must not be negative")
	case o.Off && o.MaxContent > 0:
		return errors.New("off stands alone")
	}
	return nil
}

// receiveQuery is the end of receive for a QUERY. It leaves the request as it
// was, for whoever gets it if it is passed.
func (x *exchange) receiveQuery() step {
	limit := x.h.QueryMethod.MaxContent
	switch {
	case x.r.ContentLength > limit:
		return x.passFor(httpcache.ContentTooLarge)
	case httpcache.IsIncremental(x.r.Header): // RFC 10036 §3: not to be held
		return x.passFor(httpcache.Stream)
	case len(x.r.Trailer) > 0, hidesMetadata(x.r.Header):
		return x.passFor(httpcache.RequestBody) // part of the request, but not of the key, or the reverse
	case x.r.Body == nil:
		x.r.Body = http.NoBody
	}
	body := x.r.Body
	content, err := io.ReadAll(io.LimitReader(body, limit+1))
	var rest io.Reader = body
	if err != nil {
		rest = failingReader{err}
	}
	x.r.Body = &putBack{Reader: io.MultiReader(bytes.NewReader(content), rest), Closer: body}
	switch {
	case err != nil, len(x.r.Trailer) > 0:
		return x.passFor(httpcache.RequestBody)
	case int64(len(content)) > limit:
		return x.passFor(httpcache.ContentTooLarge)
	}
	x.query = &query{content: content}
	x.key = x.queryKey(content)
	return stepLookup
}

// hidesMetadata reports a Connection field that names one which describes the
// content: it would be in the key, but not reach the origin (RFC 9110 §7.6.1), and
// others would get what that makes of the content without it.
func hidesMetadata(request http.Header) bool {
	for _, line := range request["Connection"] {
		if strings.Contains(strings.ToLower(line), "content-") {
			return true
		}
	}
	return false
}

// failingReader is the rest of content that broke off.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// query is what a fetch for a QUERY sends.
type query struct{ content []byte }

// attach makes r the QUERY: as a message of its own, whatever the framing of the
// client's was, and without waiting for leave to send what is here already.
func (q *query) attach(r *http.Request) {
	r.Method = methodQuery
	r.TransferEncoding = nil
	r.ContentLength = int64(len(q.content))
	delete(r.Header, "Expect")
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.content)), nil }
	if len(q.content) == 0 {
		r.Body = http.NoBody
		return
	}
	r.Header["Content-Length"] = []string{strconv.Itoa(len(q.content))} // FastCGI reads it there
	r.Body, _ = r.GetBody()
}

// separator stands in keys before what only some have. No URI contains it:
// net/url takes none with control characters. So no request for another URI has
// the same key.
const separator = 0x1f

// queryKey is the key of a QUERY: that of a GET of the URI, and at the end of its
// query the digest of the content.
func (x *exchange) queryKey(content []byte) []byte {
	uri := x.key
	sum := contentDigest(x.r.Header, content)
	k := make([]byte, 0, len(uri)+2*len(sum)+2)
	k = append(append(k, uri[:x.ends.query]...), separator, 'q')
	k = hex.AppendEncode(k, sum[:])
	return append(k, uri[x.ends.query:]...)
}

// contentDigest is one for each content and its metadata (RFC 9110 §8): the
// fields whose names begin with Content-, but for its length, which says nothing
// that the content does not. Each part is written with its length, so that none
// can imitate another.
func contentDigest(request http.Header, content []byte) (sum [sha256.Size]byte) {
	var names []string
	for name := range request {
		if strings.HasPrefix(name, "Content-") && name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	d := sha256.New()
	writeLength(d, len(names))
	for _, name := range names {
		writePart(d, name)
		writeLength(d, len(request[name]))
		for _, value := range request[name] {
			writePart(d, value)
		}
	}
	_, _ = d.Write(content)
	d.Sum(sum[:0])
	return sum
}

func writePart(d hash.Hash, s string) {
	writeLength(d, len(s))
	_, _ = io.WriteString(d, s)
}

func writeLength(d hash.Hash, n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	_, _ = d.Write(b[:])
}
