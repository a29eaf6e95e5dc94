package httpcache

import "testing"

func TestIsStream(t *testing.T) {
	tests := []struct {
		name, header string
		want         bool
	}{
		{"10036 Incremental", "Incremental: ?1", true},
		{"10036 Incremental with parameters", "Incremental: ?1;a=b", true},
		{"10036 Incremental false", "Incremental: ?0", false},
		{"10036 Incremental, not a boolean", "Incremental: 1", false},
		{"10036 Incremental, not an item", "Incremental: ?1, ?1", false},
		{"10036 Incremental twice", "Incremental: ?1\nIncremental: ?1", false},
		{"event stream", "Content-Type: text/event-stream; charset=utf-8", true},
		{"event stream, any case", "Content-Type: Text/Event-Stream", true},
		{"gRPC", "Content-Type: application/grpc", true},
		{"gRPC with a format", "Content-Type: application/grpc+proto", true},
		{"gRPC-Web", "Content-Type: application/grpc-web+json", true},
		{"replaced parts", "Content-Type: multipart/x-mixed-replace; boundary=x", true},
		{"NDJSON may be stored", "Content-Type: application/x-ndjson", false},
		{"a page", "Content-Type: text/html", false},
		{"nothing", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := IsStream(header(tt.header)); got != tt.want {
				t.Errorf("IsStream(%q) = %v, want %v", tt.header, got, tt.want)
			}
		})
	}
}
