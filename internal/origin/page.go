package origin

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pages is how the answers are produced; Origin's doc describes them.
var pages = map[string]func(*pacer, *http.Request, *script){
	"bytes":   (*pacer).bytes,
	"file":    (*pacer).file,
	"sse":     (*pacer).sse,
	"ws":      (*pacer).websocket,
	"upgrade": (*pacer).upgrade,
	"raw":     (*pacer).raw,
}

// ServeHTTP counts and remembers the request, then plays its script.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, serial := o.arrive(r)
	var err error
	if s == nil {
		s, err = parseScript(r.URL.Path, r.URL.RawQuery, false)
	}
	if err != nil {
		http.Error(w, "origin: "+err.Error(), http.StatusBadRequest)
		return
	}
	if !s.unread {
		o.readBody(r, serial)
	}

	p := &pacer{ResponseWriter: w, ctx: r.Context(), origin: o, pace: s.pace}
	for _, link := range s.early {
		w.Header().Set("Link", link)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
	}
	p.start()
	if s.serial {
		w.Header().Set("Origin-Serial", strconv.Itoa(serial))
	}
	page, ok := pages[s.page]
	if !ok {
		page = (*pacer).bytes
	}
	page(p, r, s)
}

// arrive counts the request and returns the script set for its path, if any,
// and which request of that path it is.
func (o *Origin) arrive(r *http.Request) (*script, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pathLocked(r.URL.Path)
	serial := p.arrived.n + 1
	if len(p.requests) < o.Keep {
		p.requests = append(p.requests, Request{
			Method: r.Method,
			URI:    r.RequestURI,
			Host:   r.Host,
			Proto:  r.Proto,
			Header: r.Header.Clone(),
			Serial: serial,
		})
	}
	p.arrived.add()
	if len(p.scripts) == 0 {
		return nil, serial
	}
	return p.scripts[min(serial, len(p.scripts))-1], serial
}

// readBody consumes the request's body and remembers its beginning.
func (o *Origin) readBody(r *http.Request, serial int) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	var kept bytes.Buffer
	length, _ := io.Copy(&kept, io.LimitReader(r.Body, bodyKept))
	rest, _ := io.Copy(io.Discard, r.Body)
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.pathLocked(r.URL.Path); serial <= len(p.requests) {
		p.requests[serial-1].Body = kept.Bytes()
		p.requests[serial-1].Length = length + rest
	}
}

// bytes answers with the body of the script.
func (p *pacer) bytes(r *http.Request, s *script) {
	h := p.Header()
	s.writeFields(h, time.Now())
	if s.status == http.StatusOK && !s.unconditional && notModified(r, h) {
		h.Del("Content-Type")
		p.WriteHeader(http.StatusNotModified)
		return
	}
	content, length := s.content(r)
	switch {
	case s.length == "off" || s.status == http.StatusNoContent || s.status == http.StatusNotModified:
	case s.length != "":
		h.Set("Content-Length", s.length)
	default:
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	for name := range s.trailer {
		h.Add("Trailer", name)
	}
	p.WriteHeader(s.status)
	if s.length == "off" {
		p.flush() // otherwise net/http would count a short body by itself
	}
	if r.Method != http.MethodHead && length > 0 {
		_, _ = content.(io.WriterTo).WriteTo(p)
	}
	for name, values := range s.trailer {
		h[name] = values
	}
}

// file answers through http.ServeContent.
func (p *pacer) file(r *http.Request, s *script) {
	now := time.Now()
	s.writeFields(p.Header(), now)
	var modified time.Time
	if s.modified != nil {
		modified = s.modified(now)
	}
	content, _ := s.content(r)
	http.ServeContent(p, r, "", modified, content)
}

// writeFields puts the fields of the script into h.
func (s *script) writeFields(h http.Header, now time.Time) {
	h.Set("Content-Type", "text/plain; charset=utf-8")
	for name, values := range s.header {
		if values != nil {
			values = append([]string(nil), values...)
		}
		h[name] = values
	}
	if s.modified != nil {
		h.Set("Last-Modified", s.modified(now).UTC().Format(http.TimeFormat))
	}
	if s.expires != nil {
		h.Set("Expires", s.expires(now).UTC().Format(http.TimeFormat))
	}
}

// content is the body of the script, and its length.
func (s *script) content(r *http.Request) (io.ReadSeeker, int64) {
	if s.text == nil && s.echo == nil {
		return Body(s.size, s.seed), s.size
	}
	var text strings.Builder
	if s.text != nil {
		text.WriteString(*s.text)
	}
	for _, name := range s.echo {
		text.WriteString(name + ": " + strings.Join(r.Header.Values(name), ", ") + "\n")
	}
	return strings.NewReader(text.String()), int64(text.Len())
}

// notModified evaluates If-None-Match and, only without it, If-Modified-Since
// for GET and HEAD (RFC 9110 §13.2.2), against the fields of the answer.
func notModified(r *http.Request, h http.Header) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	etag := h.Get("Etag")
	if lists := r.Header.Values("If-None-Match"); len(lists) > 0 {
		for candidate := range strings.SplitSeq(strings.Join(lists, ","), ",") {
			candidate = strings.TrimSpace(candidate)
			if etag != "" && (candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(etag, "W/")) {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	modified, err2 := http.ParseTime(h.Get("Last-Modified"))
	return err == nil && err2 == nil && !modified.After(since)
}
