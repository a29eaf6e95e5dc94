package lbsim

import (
	"os"
	"testing"
)

func TestTable(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("prints the table with -v")
	}
	if err := Table(os.Stdout); err != nil {
		t.Fatal(err)
	}
}
