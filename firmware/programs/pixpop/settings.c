#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "command.h"
#include "complain.h"
#include "remote.h"
#include "terminal.h"

enum { MAX_FILE_BYTES = 1 << 20, MAX_TEXT_BYTES = 512 };  // the box has a limit of its own

static const char path[] = "/api/v1/settings";

static const char page[] =
    "pixpop settings - print or replace the settings of a box\n"
    "\n"
    "Usage: pixpop [OPTIONS] settings\n"
    "       pixpop [OPTIONS] settings --set FILE\n"
    "\n"
    "Prints the file of settings that the box starts with next: the one that system.settings_file names or, as long as\n"
    "there is none, the configuration it runs with. It has keys and other secrets: keep it to yourself.\n"
    "\n"
    "What is wrong is refused, with its line, and changes nothing. What belongs to the machine (where things lie and\n"
    "listen, its device, all of [system]) must stay as it is there. Settings count from the next start on:\n"
    "'pixpop slots reboot' restarts an appliance. A pixpopd that runs with this very file takes those marked 'reload' in\n"
    "its --print-config over at SIGHUP.\n"
    "\n"
    "Options:\n"
    "      --set FILE           replace all of them by this file (at most 64 KiB)\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token settings > box.conf\n"
    "  pixpop --token-file token settings --set box.conf\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static int print(struct remote *remote) {
  struct client_response response = {0};
  const int status = remote_ask(remote, "GET", path, NULL, &response);
  if (status == EXIT_FINE) fwrite(response.body.data, 1, response.body.bytes, stdout);
  client_response_finish(&response);
  return status;
}

static int say(const struct client_response *response) {
  struct base_json *json = NULL;
  char clean[MAX_TEXT_BYTES];
  const int status = remote_parse(response, &json);
  if (status == EXIT_FINE) {
    printf("settings: replaced; %s\n",
           terminal_clean(remote_text_of(base_json_root(json), "settings_text"), clean, sizeof(clean)));
  }
  base_json_destroy(&json);
  return status;
}

static int replace(struct remote *remote, const char *file, struct base_span text) {
  struct base_fault fault = {0};
  struct client_response response = {0};
  const struct client_request request = {.method = "PUT",
                                         .path = path,
                                         .bearer = remote->token,
                                         .content_type = "text/plain; charset=utf-8",
                                         .body = text,
                                         .body_fd = -1};
  int status;
  if (client_send(remote->client, &request, &response, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    status = response.status / 100 == 2 ? say(&response) : complain_response(file, &response);
  }
  client_response_finish(&response);
  return status;
}

static int run(const struct options *options) {
  const char *file = options->set_file;
  struct remote remote = {0};
  struct base_fault fault = {0};
  struct base_buffer text;
  base_buffer_init(&text, MAX_FILE_BYTES);
  int status;
  if (file != NULL && base_file_read(file, MAX_FILE_BYTES, &text, &fault) != BASE_OK) {
    status = (complain_fault(file, &fault), EXIT_FAILED);
  } else if (remote_open_console(options, &remote, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    status = file != NULL ? replace(&remote, file, base_buffer_span(&text)) : print(&remote);
  }
  remote_close(&remote);
  base_buffer_finish(&text);
  return status;
}

const struct command command_settings = {"settings", "print or replace the settings of a box", page, NULL, 0, 0, run};
