package leak

import (
	"net/http"
	"strings"
)

// The statuses of gRPC (grpc.io, "Status codes and their use in gRPC") whose
// message a library or a proxy writes, and not the application for its clients: an
// exception's text, an address that could not be reached.
var faults = map[string]bool{
	"2":  true, // UNKNOWN
	"13": true, // INTERNAL
	"14": true, // UNAVAILABLE
	"15": true, // DATA_LOSS
}

// CleanStatus deletes from a header or trailer the message and details of a gRPC
// status that is a fault of the origin. The status stays: it is what clients act on.
func CleanStatus(h http.Header) {
	for _, prefix := range [...]string{"", http.TrailerPrefix} {
		status := h[prefix+"Grpc-Status"]
		if len(status) == 0 || !faults[strings.TrimSpace(status[0])] {
			continue
		}
		for _, p := range [...]string{"", http.TrailerPrefix} {
			delete(h, p+"Grpc-Message")
			delete(h, p+"Grpc-Status-Details-Bin")
		}
	}
}
