package leak

import (
	"encoding/base64"
	"strings"
	"unicode"
)

// Details reports whether the value of grpc-status-details-bin (a
// google.rpc.Status in base64) tells of the inside: it has a DebugInfo, which is a
// stack trace, or text that led would change because it names a place behind.
// Text is looked for as it stands in the message, without decoding its types.
func Details(value string, led func(string) string) bool {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil {
		return true // nobody can read it, so nobody misses it
	}
	text := string(raw)
	if strings.Contains(text, "google.rpc.DebugInfo") {
		return true
	}
	words := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return led(words) != words
}
