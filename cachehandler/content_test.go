package cachehandler

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHasContent(t *testing.T) {
	tests := []struct {
		name   string
		proto  int
		length int64
		body   string
		want   bool
	}{
		{"9112-6 no length", 1, 0, "", false},
		{"9112-7 chunked, though empty", 1, -1, "", true},
		{"9113-8.1 the stream ends", 2, -1, "", false},
		{"9114-4.1 the stream ends", 3, -1, "", false},
		{"9114-4.1 the stream goes on", 3, -1, "content", true},
		{"9114-4.1 announced", 3, 7, "content", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://a/", strings.NewReader(tt.body))
			r.ProtoMajor, r.ContentLength = tt.proto, tt.length
			if got := hasContent(r); got != tt.want {
				t.Errorf("hasContent = %v, want %v", got, tt.want)
			}
			if rest, _ := io.ReadAll(r.Body); string(rest) != tt.body {
				t.Errorf("what is left of the content is %q, want all of %q", rest, tt.body)
			}
		})
	}
}
