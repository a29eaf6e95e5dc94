package httpcache

import "testing"

func TestIsStream(t *testing.T) {
	tests := []struct {
		name, header string
		want         bool
	}{
		{"10036 Incremental", "Incremental: ?1", true},
		{"10036 Incremental with parameters", "Incremental: ?1;a=b", true},
		{"10036-3 unknown parameters are ignored", "Incremental: ?1; a=b;c;*d=\"e\"", true},
		{"9651-4.2 parameters that are none", "Incremental: ?1;A=b", false},
		{"9651-4.2 nothing after the semicolon", "Incremental: ?1;", false},
		{"9651-4.2 a space before the parameters", "Incremental: ?1 ;a", false},
		{"10036-3 a string", `Incremental: "?1"`, false},
		{"10036-3 a token", "Incremental: true", false},
		{"10036-3 an inner list", "Incremental: (?1)", false},
		{"10036-3 no Boolean of two digits", "Incremental: ?11", false},
		{"9651-4.2 an empty line beside it", "Incremental: ?1\nIncremental:", false},
		{"9651-4.2 empty", "Incremental:", false},
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
