// Package admin is how Portico's commands ask the admin endpoint of a running
// Caddy: `caddy cache`, `caddy upstreams` and `caddy filter` take the same flags,
// and find and ask it in the same way.
package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// SetUp gives a command that only has others below it, and all of those, the flags that
// [Ask] reads. A name of none of them is an error: cobra by itself would print the help, and a
// script would take that for an answer.
func SetUp(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return fmt.Errorf("%s has no command %q; see %[1]s --help", cmd.CommandPath(), args[0])
	}
	flags := cmd.PersistentFlags()
	flags.StringP("config", "c", "", "Configuration file to use to parse the admin address, if --address is not used")
	flags.StringP("adapter", "a", "", "Name of config adapter to apply (when --config is used)")
	flags.StringP("address", "", "", "The address to use to reach the admin API endpoint, if not the default")
	flags.BoolP("json", "", false, "Print the answer of the admin endpoint as it is")
}

// Flag is the value of a flag of strings.
func Flag(cmd *cobra.Command, name string) string {
	value, _ := cmd.Flags().GetString(name)
	return value
}

// A Question is a request to the admin endpoint. What may be a secret goes into
// the body and not into the path, which the endpoint logs.
type Question struct {
	Method string // default GET
	Path   string
	Type   string // of the body
	Body   string
}

// Form is the question that sends a form.
func Form(path string, form url.Values) Question {
	return Question{Method: http.MethodPost, Path: path, Type: "application/x-www-form-urlencoded", Body: form.Encode()}
}

// JSON is the question that sends a value as JSON.
func JSON(method, path string, value any) (Question, error) {
	body, err := json.Marshal(value)
	return Question{Method: method, Path: path, Type: "application/json", Body: string(body)}, err
}

// Ask asks, and has the answer printed; with --json as it came. An answer that
// is an error is an error, which says what the endpoint said.
func Ask(cmd *cobra.Command, q Question, print func(io.Writer, []byte) error) error {
	address, err := caddycmd.DetermineAdminAPIAddress(Flag(cmd, "address"), nil, Flag(cmd, "config"), Flag(cmd, "adapter"))
	if err != nil {
		return fmt.Errorf("finding the admin endpoint: %w", err)
	}
	method, header, body := q.Method, http.Header{}, io.Reader(nil)
	if method == "" {
		method = http.MethodGet
	}
	if q.Type != "" {
		body = strings.NewReader(q.Body)
		header.Set("Content-Type", q.Type)
	}
	res, err := caddycmd.AdminAPIRequest(address, method, q.Path, header, body)
	if err != nil {
		return said(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if raw, _ := cmd.Flags().GetBool("json"); raw {
		_, err = cmd.OutOrStdout().Write(answer)
		return err
	}
	return print(cmd.OutOrStdout(), answer)
}

// said is the error of a question: what the endpoint says is wrong, without the JSON around
// it, or why there is no answer.
func said(err error) error {
	var answer struct{ Error string }
	if at := strings.Index(err.Error(), `{"error":`); at >= 0 && json.Unmarshal([]byte(err.Error()[at:]), &answer) == nil {
		return errors.New(answer.Error)
	}
	return fmt.Errorf("asking the admin endpoint: %w", err)
}

// Answer makes a printer of one that prints values of JSON.
func Answer[T any](print func(io.Writer, T) error) func(io.Writer, []byte) error {
	return func(w io.Writer, answer []byte) error {
		var value T
		if err := json.Unmarshal(answer, &value); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		return print(w, value)
	}
}
