/* Asks for a function that nobody has. */
__attribute__((import_module("env"), import_name("launch_missiles"))) void launch(int);

int main(void)
{
	launch(1);
	return 0;
}
