package httpcache

import (
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"
)

// IsStream reports a message that is to be passed on as it arrives and not to
// be held: event streams, gRPC, motion pictures made of parts, and what says so
// of itself (Incremental, RFC 10036).
func IsStream(h http.Header) bool {
	if IsIncremental(h) {
		return true
	}
	for _, contentType := range h["Content-Type"] {
		for _, stream := range [...]string{"text/event-stream", "application/grpc", "multipart/x-mixed-replace"} {
			if hasPrefixFold(contentType, stream) {
				return true
			}
		}
	}
	return false
}

// IsIncremental reports a message that an intermediary is to forward while it
// arrives (RFC 10036 §3): Incremental is a Boolean and true. Any other type is
// ignored, and so are parameters.
func IsIncremental(h http.Header) bool {
	lines := h["Incremental"]
	if len(lines) == 0 {
		return false
	}
	item, err := httpsfv.UnmarshalItem(lines)
	return err == nil && item.Value == true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
