package cachehandler

import (
	"errors"
	"fmt"
	"math"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// deliverRange answers a request for a part (RFC 9110 §14).
func (x *exchange) deliverRange(length int64, known bool) step {
	if !known {
		return x.deliverOpenRange()
	}
	ranges, status := httpcache.Ranges(x.object.Head, x.r.Header, length)
	switch {
	case status == http.StatusRequestedRangeNotSatisfiable:
		x.w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(length, 10))
		return x.fail(caddyhttp.Error(status, errors.New("range not satisfiable")))
	case status != http.StatusPartialContent:
		return x.deliverWhole(length, true)
	case !x.partsAtHand(ranges):
		return x.passFor(httpcache.RangeRequest)
	}
	return x.writeRanges(ranges, length)
}

func (x *exchange) writeRanges(ranges []httpcache.Range, length int64) step {
	x.publish()
	if len(ranges) == 1 {
		x.writePart(ranges[0], length)
	} else {
		x.writeParts(ranges, length)
	}
	return stepDone
}

// deliverOpenRange is deliverRange while the length is not known: then only a
// part that has arrived can be told from one that is not there. What is no range at
// any length, or not of this representation, is the whole.
func (x *exchange) deliverOpenRange() step {
	if _, status := httpcache.Ranges(x.object.Head, x.r.Header, math.MaxInt64); status == http.StatusOK {
		return x.deliverWhole(0, false)
	}
	start, end, ok := httpcache.FirstByte(x.object.Head, x.r.Header)
	have, _ := x.object.Body.Length()
	if !ok || end < 0 || end >= have || !x.attach(start) {
		return x.passFor(httpcache.RangeRequest)
	}
	x.publish()
	x.writePart(httpcache.Range{Start: start, Length: end - start + 1}, -1)
	return stepDone
}

// partsAtHand attaches to the parts. While the body arrives, only one part
// can be waited for, and only if it begins near what has arrived.
func (x *exchange) partsAtHand(ranges []httpcache.Range) bool {
	have, complete := x.object.Body.Length()
	if complete && !x.object.Body.Detached() {
		return true
	}
	from := ranges[0].Start - x.firstByte()
	return len(ranges) == 1 && from <= have+nearby && x.attach(from)
}

// contentRange is the value of Content-Range; length < 0 is not known yet.
func contentRange(r httpcache.Range, length int64) string {
	complete := "*"
	if length >= 0 {
		complete = strconv.FormatInt(length, 10)
	}
	return fmt.Sprintf("bytes %d-%d/%s", r.Start, r.Start+r.Length-1, complete)
}

// isAllStored reports that a part is everything that the stored response had.
func (x *exchange) isAllStored(r httpcache.Range, length int64) bool {
	if p := x.object.Head.Part; p != nil {
		return r == p.Range
	}
	return r.Start == 0 && r.Length == length
}

func (x *exchange) writePart(r httpcache.Range, length int64) {
	var skip []string
	if !x.isAllStored(r, length) {
		skip = httpcache.OfContent()
	}
	h, _ := x.writeFields(skip...)
	h.Set("Content-Range", contentRange(r, length))
	if p := x.object.Head.Part; x.verbatim && p != nil && p.Said != "" && r == p.Range {
		h.Set("Content-Range", p.Said)
	}
	h.Set("Content-Length", strconv.FormatInt(r.Length, 10))
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // or it would be guessed from a part
	}
	x.w.WriteHeader(http.StatusPartialContent)
	x.send(r.Start-x.firstByte(), r.Length)
}

// writeParts writes several parts as multipart/byteranges (RFC 9110 §14.6).
func (x *exchange) writeParts(ranges []httpcache.Range, length int64) {
	h, _ := x.writeFields(httpcache.OfContent()...)
	contentType := h.Get("Content-Type")
	parts := multipart.NewWriter(x.w)
	delete(h, "Content-Range") // which a 200 may have had, meaning nothing (RFC 9110 §15.3.7.2)
	h.Set("Content-Type", "multipart/byteranges; boundary="+parts.Boundary())
	h.Set("Content-Length", strconv.FormatInt(multipartLength(ranges, length, contentType), 10))
	x.w.WriteHeader(http.StatusPartialContent)
	for _, r := range ranges {
		if _, err := parts.CreatePart(partHeader(r, length, contentType)); err != nil {
			return
		}
		x.send(r.Start-x.firstByte(), r.Length)
	}
	_ = parts.Close()
}

func partHeader(r httpcache.Range, length int64, contentType string) textproto.MIMEHeader {
	h := textproto.MIMEHeader{"Content-Range": {contentRange(r, length)}}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return h
}

// multipartLength is what writeParts will write.
func multipartLength(ranges []httpcache.Range, length int64, contentType string) int64 {
	var n countWriter
	parts := multipart.NewWriter(&n)
	for _, r := range ranges {
		_, _ = parts.CreatePart(partHeader(r, length, contentType))
		n += countWriter(r.Length)
	}
	_ = parts.Close()
	return int64(n)
}

type countWriter int64

func (n *countWriter) Write(p []byte) (int, error) {
	*n += countWriter(len(p))
	return len(p), nil
}
