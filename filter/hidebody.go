package filter

import (
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-portico/portico/filter/rewrite"
)

// rewriter is a chain of replacements before a writer.
type rewriter struct {
	first   io.Writer
	streams []*rewrite.Stream // in order of the bytes
}

func (c *rewriter) Write(p []byte) (int, error) { return c.first.Write(p) }

// Close writes what the streams have held back.
func (c *rewriter) Close() error {
	for _, s := range c.streams {
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

// beginBody decides whether the body is rewritten. If it is, or would be for GET,
// then nothing in the header may describe the bytes of the origin: their length, ranges
// and digests go, and an entity-tag is weak from now on (RFC 9110 §8.8.1). A 304 says
// the same tag as the 200 before.
func (w *hidingWriter) beginBody(status int, header http.Header) {
	if len(w.h.patterns) == 0 {
		return
	}
	if status == http.StatusNotModified {
		weaken(header)
		return
	}
	if status < 200 || status == http.StatusNoContent || !text(header) || !identity(header) {
		return
	}
	weaken(header)
	for _, name := range [...]string{"Content-Length", "Accept-Ranges", "Content-Md5", "Content-Digest", "Repr-Digest", "Digest"} {
		delete(header, name)
	}
	if w.r.Method == http.MethodHead {
		return
	}
	w.body = w.h.rewriter(w.ResponseWriter, w.r)
}

func (h *HideOrigin) rewriter(w io.Writer, r *http.Request) *rewriter {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	c := &rewriter{first: w, streams: make([]*rewrite.Stream, len(h.Body))}
	for i := len(h.Body) - 1; i >= 0; i-- {
		replacement := h.Body[i].Replacement
		if repl != nil {
			replacement = repl.ReplaceKnown(replacement, "")
		}
		c.streams[i] = h.patterns[i].Stream(c.first, replacement)
		c.first = c.streams[i]
	}
	return c
}

func weaken(header http.Header) {
	if tag := header.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		header["Etag"] = []string{"W/" + tag}
	}
}

func identity(header http.Header) bool {
	coding := header.Get("Content-Encoding")
	return coding == "" || strings.EqualFold(coding, "identity")
}

// text reports whether a body is one that people or scripts write.
func text(header http.Header) bool {
	kind, _, _ := strings.Cut(strings.ToLower(header.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	if strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") {
		return true
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript", "application/x-javascript", "application/ecmascript",
		"application/manifest+json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/graphql":
		return true
	}
	return false
}
