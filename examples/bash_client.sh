#!/usr/bin/env bash
# The original bash client: one prompt, one PNG. Usage: bash examples/bash_client.sh [OUT.png]
# The server is http://127.0.0.1:5000 unless SD_B64_URL names another one.
# If it asks for a key, SD_B64_KEY holds it.

server=${SD_B64_URL:-http://127.0.0.1:5000}
out=${1:-out.png}

# By its standard input: what stands in its command, other users can see with `ps`.
header=${SD_B64_KEY:+Authorization: Bearer $SD_B64_KEY}
response=$(curl -s -H @- "${server%/}/text?input=%22monkey%20with%20a%20hat%22" <<< "$header")

# A picture comes as JSON on one line. An error begins with a line break, so it does not match.
if [[ $response =~ ^\{.*\}$ ]]; then
    # Straight into the file: a shell variable would lose the NUL bytes of the PNG.
    echo "$response" | grep -o '"image-base64":[^,]*' | cut -d ':' -f 2- | tr -d '"' | base64 -d > "$out" \
        && echo "$out"
else
    echo "${response:-no answer from $server}"
    exit 1
fi
