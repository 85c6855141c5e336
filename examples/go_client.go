// The standard library only, for Go 1.18 or newer: go run go_client.go "a monkey with a hat" out.png
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	words := []string{"a monkey with a hat", "out.png"}
	copy(words, os.Args[1:])
	prompt, path, server := words[0], words[1], "http://127.0.0.1:5000"
	if url := os.Getenv("SD_B64_URL"); url != "" {
		server = strings.TrimSuffix(url, "/")
	}
	question, _ := json.Marshal(map[string]any{"input": prompt, "steps": 20})
	response, err := http.Post(server+"/text", "application/json", bytes.NewReader(question))
	if err != nil {
		log.Fatal(err)
	}
	var answer struct {
		Picture []byte `json:"image-base64"` // encoding/json takes base64 for bytes
		Seed    int64
		Detail  string // what is wrong, where the status is not 200
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	} else if response.StatusCode != 200 {
		log.Fatal(answer.Detail)
	} else if err := os.WriteFile(path, answer.Picture, 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, seed %d\n", path, answer.Seed)
}
