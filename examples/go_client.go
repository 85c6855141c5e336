// The standard library only, for Go 1.18 or newer: go run go_client.go "a monkey with a hat" out.png
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
)

func main() {
	words := []string{"a monkey with a hat", "out.png"}
	copy(words, os.Args[1:])
	prompt, path, server := words[0], words[1], "http://127.0.0.1:5000"
	if address := os.Getenv("SD_B64_URL"); address != "" {
		server = strings.TrimSuffix(address, "/")
	}
	request, err := http.NewRequest("GET", server+"/image?steps=20&input="+url.QueryEscape(prompt), nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("SD_B64_KEY")) // empty where no key is asked for
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	if picture, err := io.ReadAll(answer.Body); err != nil {
		log.Fatal(err)
	} else if answer.StatusCode != 200 {
		log.Fatal(string(picture)) // what is wrong
	} else if err := os.WriteFile(path, picture, 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, seed %s\n", path, answer.Header.Get("X-Seed"))
}
