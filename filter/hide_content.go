package filter

import (
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/caddy-portico/portico/filter/replace"
)

// contentWriter changes content as it streams by: a chain of replacements, of
// which each has a Lookahead of its own.
type contentWriter struct {
	first io.Writer
	chain []*replace.Writer // in the order of the rules
}

func newContentWriter(to io.Writer, rules []*replace.Rule) *contentWriter {
	c := &contentWriter{first: to, chain: make([]*replace.Writer, len(rules))}
	for i := len(rules) - 1; i >= 0; i-- {
		c.chain[i] = replace.NewWriter(c.first, rules[i])
		c.first = c.chain[i]
	}
	return c
}

// Write implements io.Writer.
func (c *contentWriter) Write(p []byte) (int, error) { return c.first.Write(p) }

// Flush lets go of all lines that have ended.
func (c *contentWriter) Flush() error {
	for _, w := range c.chain {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of the rest.
func (c *contentWriter) Close() error {
	for _, w := range c.chain {
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}

// described are the fields that say of content what a change makes untrue.
var described = [...]string{
	"Accept-Ranges", "Content-Digest", "Content-Length", "Content-Md5", "Digest", "Repr-Digest", "Signature", "Signature-Input",
}

// prepareContent arranges for the content to be changed, if it is to be. An
// answer to HEAD, and a 304, has the fields of one with content (RFC 9110 §9.3.2,
// §15.4.5).
func (w *hidingWriter) prepareContent(status int) {
	header := w.Header()
	if len(w.h.body) == 0 || status == http.StatusPartialContent || status < 200 ||
		!isText(header.Get("Content-Type")) || !uncoded(header["Content-Encoding"]) {
		return
	}
	for _, name := range described {
		header.Del(name)
	}
	if w.r.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		return
	}
	w.content = newContentWriter(w.ResponseWriterWrapper, w.h.body)
}

func uncoded(codings []string) bool {
	return len(codings) == 0 || len(codings) == 1 && (codings[0] == "" || strings.EqualFold(codings[0], "identity"))
}

// isText reports a type whose content is text, whatever it means.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(contentType), ";")
		kind = strings.TrimSpace(kind)
	}
	switch kind {
	case "application/json", "application/javascript", "application/ecmascript", "application/x-javascript",
		"application/xml", "application/x-ndjson", "application/yaml", "application/toml", "application/x-sh",
		"application/x-www-form-urlencoded", "application/vnd.apple.mpegurl", "application/x-mpegurl", "application/dash+xml":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}
