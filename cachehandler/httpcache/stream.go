package httpcache

import (
	"net/http"
	"strings"
)

// IsStream reports a message that is to be passed on as it arrives and not to
// be held: event streams, gRPC, motion pictures made of parts, and what says so
// of itself (Incremental, RFC 10036).
func IsStream(h http.Header) bool {
	if lines := h["Incremental"]; len(lines) == 1 {
		value := trimOWS(lines[0])
		if value == "?1" || len(value) > 2 && value[:2] == "?1" && value[2] == ';' {
			return true
		}
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

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
