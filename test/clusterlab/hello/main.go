// Hello is what the pods of the lab's own tests run. Without arguments it serves
// the name of its host over HTTP, on port 8080 of both families; with URLs it
// prints what they serve.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 {
		for _, url := range os.Args[1:] {
			if err := get(url); err != nil {
				log.Fatal(err)
			}
		}
		return
	}
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("hello from %s", name)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func get(url string) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
